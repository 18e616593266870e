/** How long the process of one test file may take, in milliseconds: told to it by the run. */
export const DEADLINE_VARIABLE = 'FARTHING_TEST_FILE_MS'

const MINUTE_MS = 60_000

/** The longest file takes a minute. `TEST_MINUTES` gives more, for chaos in its long form. */
export const FILE_MS = Number(process.env['TEST_MINUTES'] ?? 6) * MINUTE_MS
/** All take seventeen minutes on two cores; on a slow machine the run still ends by itself. */
export const RUN_MS = FILE_MS + 20 * MINUTE_MS
