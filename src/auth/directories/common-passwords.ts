import { readFileSync } from 'node:fs'

/** Ours; and what was found in leaks, from elsewhere: `leaked-passwords.LICENSE.txt`. */
const files = ['common-passwords.txt', 'leaked-passwords.txt'] as const

/** A longer tail may be a good password by itself. */
const TAIL_MAX = 4

/** `p@ssw0rd` is the first thing that a guesser tries after `password`. */
const disguises: Readonly<Record<string, string>> = {
  '@': 'a',
  '4': 'a',
  '3': 'e',
  '1': 'i',
  '!': 'i',
  '0': 'o',
  '5': 's',
  $: 's',
  '7': 't',
}

let read: ReadonlySet<string> | null = null

/**
 * All of them, in lower case. Some megabytes that only whoever chooses passwords needs: read when
 * first asked for, which the auth layer does at its start.
 */
export function commonPasswords(): ReadonlySet<string> {
  read ??= new Set(files.flatMap(linesOf))
  return read
}

/**
 * Whether a password in lower case is one of them: as it is, without a few signs at its end, and
 * without digits there too, each also with letters for the signs that look like them. One that only
 * contains a common one is not.
 */
export function isCommon(folded: string): boolean {
  const common = commonPasswords()
  const stems = [folded, cutTail(folded, /[^a-z0-9]*$/), cutTail(folded, /[^a-z]*$/)]
  return stems.some((stem) => common.has(stem) || common.has(undisguised(stem)))
}

function cutTail(text: string, pattern: RegExp): string {
  const tail = pattern.exec(text)?.[0] ?? ''
  return tail.length <= TAIL_MAX ? text.slice(0, text.length - tail.length) : text
}

function undisguised(text: string): string {
  return text.replaceAll(/[@431!05$7]/g, (sign) => disguises[sign] ?? sign)
}

function linesOf(file: string): readonly string[] {
  const text = readFileSync(new URL(file, import.meta.url), 'utf8')
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}
