import { usage } from '../commands.ts'
import { endWith } from '../outcome.ts'
import { endMember } from '../processes/member.ts'
import { auth } from './auth.ts'

// `farthing auth` begins in a file of its own: no other process loads what knows passwords, LDAP
// and the provider, and servers stay as small as they were.
const [, ...words] = process.argv.slice(2)
if (words.length > 0) {
  console.error(`\`farthing auth\` takes no words.\n\n${usage}`)
  process.exit(2)
}
await (process.send ? endMember(auth) : endWith(auth))
