import { execFile } from 'node:child_process'
import { link, mkdir, readdir, readFile, rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { StartRefused } from '../../errors.ts'

/** A directory is not free: another process works in it. */
export class DirectoryInUse extends StartRefused {
  override readonly name = 'DirectoryInUse'
}

export type Claim = Readonly<{ release(): Promise<void> }>

/** How often a starter that lost a race looks again. Each round somebody else won. */
const ROUNDS = 50

type Owner = Readonly<{ pid: number; born: string; released: boolean }>

/**
 * Claims a directory for this process, until `release` or the process's death, however it dies.
 *
 * Claims are numbered files. The highest number counts, and it holds for as long as the process
 * that it names lives. To take over from a dead one is to create the next number, which the file
 * system grants to one starter only. The highest file is never deleted, so that a starter that was
 * slow can see, after it created a lower one, that it came too late.
 *
 * @throws DirectoryInUse, and StartRefused when the directory can neither be used nor made.
 */
export async function claimDirectory(dir: string): Promise<Claim> {
  try {
    return await claim(dir)
  } catch (error) {
    if (error instanceof StartRefused) throw error
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new StartRefused(
      `The data directory ${dir} cannot be made or used (${why}). ` +
        'Set DATA_DIR to a directory that this user may write to.',
      { cause: error },
    )
  }
}

async function claim(dir: string): Promise<Claim> {
  const claims = join(dir, 'claims')
  await mkdir(claims, { recursive: true })
  const owner: Owner = { pid: process.pid, born: await bornAt(process.pid), released: false }
  for (let round = 0; round < ROUNDS; round += 1) {
    const highest = await highestClaim(claims)
    const holder = highest > 0 ? await livingHolder(claims, highest) : null
    if (holder !== null) throw inUseBy(dir, holder)
    const mine = highest + 1
    if (!(await createClaim(claims, mine, owner))) continue
    if ((await highestClaim(claims)) !== mine) {
      await unlinkIfThere(claimFile(claims, mine))
      continue
    }
    await deleteBelow(claims, mine)
    return { release: async () => await replaceClaim(claims, mine, { ...owner, released: true }) }
  }
  throw new DirectoryInUse(`Too many processes want ${dir} at once. Start only one, and try again.`)
}

function inUseBy(dir: string, pid: number): DirectoryInUse {
  return new DirectoryInUse(
    `The data directory ${dir} is in use by process ${pid}. ` +
      'Stop that process, or set DATA_DIR to another directory.',
  )
}

async function livingHolder(claims: string, number: number): Promise<number | null> {
  const text = await readIfThere(claimFile(claims, number))
  if (text === null) return null // taken over and tidied up since
  const owner = JSON.parse(text) as Owner
  if (owner.released || (await bornAt(owner.pid)) !== owner.born) return null
  return owner.pid
}

/** Complete from the first moment that others can see it. False when the number is taken. */
async function createClaim(dir: string, number: number, owner: Owner): Promise<boolean> {
  const draft = await writeDraft(dir, number, owner)
  try {
    await link(draft, claimFile(dir, number))
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  } finally {
    await unlink(draft)
  }
}

async function replaceClaim(dir: string, number: number, owner: Owner): Promise<void> {
  await rename(await writeDraft(dir, number, owner), claimFile(dir, number))
}

async function writeDraft(dir: string, number: number, owner: Owner): Promise<string> {
  const draft = join(dir, `draft-${process.pid}-${number}-${process.hrtime.bigint()}`)
  await writeFile(draft, JSON.stringify(owner), { mode: 0o600 })
  return draft
}

function claimFile(dir: string, number: number): string {
  return join(dir, `claim-${number}`)
}

async function claimNumbers(dir: string): Promise<number[]> {
  const names = await readdir(dir)
  return names.flatMap((name) => {
    const digits = /^claim-(\d+)$/.exec(name)?.[1]
    return digits === undefined ? [] : [Number(digits)]
  })
}

async function highestClaim(dir: string): Promise<number> {
  return Math.max(0, ...(await claimNumbers(dir)))
}

async function deleteBelow(dir: string, number: number): Promise<void> {
  for (const lower of await claimNumbers(dir)) {
    if (lower < number) await unlinkIfThere(claimFile(dir, lower))
  }
}

/**
 * When a process was born, in a form that no other process shares, so that a reused process id is
 * not taken for its former owner. Empty when there is no such process, or only its zombie.
 */
async function bornAt(pid: number): Promise<string> {
  if (process.platform !== 'linux') return await bornAtByPs(pid)
  const stat = await readIfThere(`/proc/${pid}/stat`)
  if (stat === null) return ''
  // The second field is the program's name in parentheses, and may itself hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, started] = [fields[0], fields[19]]
  if (state === 'Z' || state === 'X') return ''
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
  return `${boot.trim()}/${started}`
}

async function bornAtByPs(pid: number): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'stat=,lstart=', '-p', String(pid)])
    const [state = '', ...started] = stdout.trim().split(/\s+/)
    return state.startsWith('Z') ? '' : started.join(' ')
  } catch (error) {
    if (isCode(error, 1)) return '' // ps found none
    throw error
  }
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    // A process that ends while its file in /proc is read answers ESRCH.
    if (isCode(error, 'ENOENT') || isCode(error, 'ESRCH')) return null
    throw error
  }
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error
  }
}

function isCode(error: unknown, code: string | number): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
