import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { createActiveDirectory } from '../../auth/directories/active-directory.ts'
import { createBuiltinDirectory } from '../../auth/directories/builtin.ts'
import { createPasswords, paceOf } from '../../auth/directories/passwords.ts'
import type { Directory } from '../../auth/directory.ts'
import type { ActiveDirectoryConfig } from '../../auth-config.ts'
import type { Config } from '../../config.ts'
import type { Pool } from '../../db/pool.ts'
import { StartRefused } from '../../errors.ts'
import { createLog } from '../../ops/log.ts'
import type { Clock } from '../../time.ts'

const SWEEP_MS = 3_600_000

/** The directory of passwords that the configuration names. */
export type OpenDirectory = Readonly<{ directory: Directory; close: () => void }>

/** @throws StartRefused when a file that it needs cannot be read. */
export function openDirectory(config: Config, pool: Pool, clock: Clock): OpenDirectory {
  const { activeDirectory } = config.auth
  if (activeDirectory !== null) return openDomain(activeDirectory, config, pool, clock)
  const passwords = createPasswords(config.argon2, paceOf(availableParallelism(), config.hashing))
  const directory = createBuiltinDirectory({ db: pool, passwords })
  return { directory, close: () => undefined }
}

function openDomain(
  domain: ActiveDirectoryConfig,
  { environment }: Config,
  pool: Pool,
  clock: Clock,
): OpenDirectory {
  const ca = domain.caFile === null ? null : readCa(domain.caFile)
  const directory = createActiveDirectory({ db: pool, config: domain, ca, clock })
  const log = createLog(environment, 'auth layer')
  const sweep = async (): Promise<void> => {
    try {
      const swept = await directory.sweepOrphans()
      if (swept.left > 0) log.warn(swept, 'accounts of sign-ups that came to nothing')
    } catch (error) {
      // It is asked again in an hour; sign-ins tell of an outage sooner.
      log.warn({ err: error }, 'the sweep of the directory failed')
    }
  }
  const timer = setInterval(() => void sweep(), SWEEP_MS).unref()
  return {
    directory,
    close: () => {
      clearInterval(timer)
      directory.close()
    },
  }
}

function readCa(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new StartRefused(`AD_CA_FILE ${path} cannot be read.`, { cause })
  }
}
