import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { treeOf } from './processes.ts'

/** A place of the picture, as far as the network knows it. */
export type Host = Readonly<{ name: string; address: string }>

/** `silent`: packets are lost, and no end hears of it. `refused`: each is answered by a reset. */
export type Cut = 'silent' | 'refused'

/**
 * What may be cut in the network namespace that this process is in. All hosts share one loopback
 * device there, and what does not choose an address speaks from 127.0.0.1. Therefore each host's
 * processes are in a control group of their own: a connection is marked with who began it.
 */
export type Network = Readonly<{
  /** Says that a process, with all that it begins from now on, is of a host. */
  settle: (host: string, pid: number) => void
  /** Nothing passes any more between two hosts, whoever of them began it. */
  part: (one: Host, other: Host, cut: Cut) => Promise<void>
  /** Ends the connections of a host that are open now. New ones are as good as before. */
  reset: (host: Host) => Promise<void>
  heal: () => Promise<void>
}>

const CHAIN = 'CHAOS'
const cgroups = '/sys/fs/cgroup/unified'

const run = async (program: string, ...words: readonly string[]): Promise<string> =>
  (await promisify(execFile)(program, words)).stdout

const filter = async (words: string): Promise<string> =>
  await run('iptables-legacy', '--wait', ...words.split(' '))

/** Why there is no such network here; null: there can be. */
export async function networkMissing(): Promise<string | null> {
  if (process.getuid?.() !== 0) return 'only root may make a network namespace'
  if (!existsSync(join(cgroups, 'cgroup.procs'))) return `no control groups at ${cgroups}`
  try {
    await filter('--list --numeric')
    return null
  } catch (error) {
    return `packets cannot be filtered here: ${String(error).trim().split('\n').at(-1)}`
  }
}

/** @param name Of the namespace: nobody else's groups are touched. */
export async function createNetwork(name: string, hosts: readonly Host[]): Promise<Network> {
  const group = (host: string): string => join(cgroups, name, host)
  const mark = (host: string): string => String(1 + hosts.findIndex((one) => one.name === host))

  mkdirSync(join(cgroups, name), { recursive: true })
  await filter(`--new-chain ${CHAIN}`)
  await filter(`--append OUTPUT --jump ${CHAIN}`)
  for (const host of hosts) {
    mkdirSync(group(host.name), { recursive: true })
    const begun = `--match cgroup --path ${name}/${host.name} --match conntrack --ctstate NEW`
    const marked = `--jump CONNMARK --set-mark ${mark(host.name)}`
    await filter(`--table mangle --append OUTPUT ${begun} ${marked}`)
  }

  /** Both directions of what `from` begins to `to`. */
  async function stop(from: string, to: string, cut: Cut): Promise<void> {
    const begun = `--protocol tcp --match connmark --mark ${mark(from)}`
    const verdict = cut === 'silent' ? 'DROP' : 'REJECT --reject-with tcp-reset'
    await filter(`--append ${CHAIN} --destination ${to} ${begun} --jump ${verdict}`)
    await filter(`--append ${CHAIN} --source ${to} ${begun} --jump ${verdict}`)
  }

  return {
    settle: (host, pid) => {
      for (const one of treeOf(pid)) {
        try {
          writeFileSync(join(group(host), 'cgroup.procs'), String(one))
        } catch (error) {
          // It has ended since.
          if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
        }
      }
    },
    part: async (one, other, cut) => {
      await stop(one.name, other.address, cut)
      await stop(other.name, one.address, cut)
    },
    reset: async ({ address }) => {
      await run('ss', '--kill', '--tcp', 'src', address)
    },
    heal: async () => {
      await filter(`--flush ${CHAIN}`)
    },
  }
}

/** Of a namespace whose processes have ended. */
export function removeGroups(name: string): void {
  const all = join(cgroups, name)
  if (!existsSync(all)) return
  for (const host of readdirSync(all, { withFileTypes: true })) {
    if (host.isDirectory()) rmdirSync(join(all, host.name))
  }
  rmdirSync(all)
}
