import { randomBytes } from 'node:crypto'

/** Passwords of one cluster, made with it. */
export type Secrets = Readonly<{
  postgres: string
  replicator: string
  rewinder: string
  farthing: string
  patroni: string
  redis: string
  sentinel: string
  etcdToken: string
}>

function secret(): string {
  return randomBytes(24).toString('hex')
}

/** Letters and digits alone: they stand in addresses, YAML and SQL as they are. */
export function newSecrets(): Secrets {
  return {
    postgres: secret(),
    replicator: secret(),
    rewinder: secret(),
    farthing: secret(),
    patroni: secret(),
    redis: secret(),
    sentinel: secret(),
    etcdToken: secret(),
  }
}
