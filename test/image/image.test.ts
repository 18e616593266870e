import { whyNot } from './kit/able.ts'
import { checkImage } from './kit/checks.ts'
import { buildTree } from './kit/tree.ts'

// The application's files as the Dockerfile makes them, on the system of this machine.
checkImage(buildTree, whyNot())
