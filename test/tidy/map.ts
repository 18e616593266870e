/** Who may import whom. What is not listed is a wall; ARCHITECTURE.md has the same in its table. */
export const mayImport: Readonly<Record<string, readonly string[]>> = {
  ground: [],
  ids: ['ground'],
  db: ['ground'],
  cache: ['ground', 'db'],
  queue: ['ground', 'ids', 'db'],
  ledger: ['ground', 'ids', 'db'],
  users: ['ground', 'ids', 'db'],
  banks: ['ground', 'ids', 'db'],
  rails: ['ground', 'ids', 'db'],
  messages: ['ground', 'ids', 'db'],
  access: ['ground', 'ids', 'db'],
  auth: ['ground', 'ids', 'db', 'queue', 'users'],
  payments: ['ground', 'ids', 'db', 'queue', 'ledger', 'users', 'banks', 'rails', 'auth'],
  http: ['ground', 'ids', 'users', 'banks', 'access', 'payments'],
  provider: ['ground', 'ids', 'db', 'queue', 'users', 'access', 'auth', 'payments'],
  functions: ['ground', 'ids', 'queue', 'users', 'banks', 'auth', 'payments'],
  ops: ['ground', 'ids', 'db', 'queue', 'ledger', 'payments'],
  bin: [
    'ground',
    'ids',
    'db',
    'cache',
    'queue',
    'ledger',
    'users',
    'banks',
    'rails',
    'messages',
    'access',
    'auth',
    'payments',
    'http',
    'provider',
    'functions',
    'ops',
  ],
}

/** Files that a rule lets pass, each with the reason. */
export type Exceptions = Readonly<Record<string, string>>

/** Beside every room's `store.ts` and the pipes `db/` and `queue/`. */
export const mayHoldSql: Exceptions = {
  'src/bin/cluster/backup.ts': 'asks by psql what an operator would, of a restored database, too',
  'src/ops/audit.ts': 'wraps the queries of audit/*.sql to show the first rows only',
  'src/bin/build.ts': 'asks the database whether it answers, for the health check',
}

/** Beside the doors `http/` and `provider/`. */
export const mayNameStatuses: Exceptions = {
  'src/problems.ts': 'gives each refusal its status, for both doors',
  'src/ops/operators.ts': 'a small server of its own for operators, which no customer sees',
  'src/access/back-door.ts': 'hears the status that the auth layer answered with',
  'src/db/types.ts': 'the calendar goes round in 400 years, which is no status',
}

export const mayAskTheTime: Exceptions = {
  'src/time.ts': 'the clock itself',
}

export const mayImportLate: Exceptions = {
  'src/bin/work/start-jobs.ts':
    'the AWS SDK costs 100 ms and 28 MB, and is there for who runs jobs on AWS Lambda alone',
  'test/cache/explore/mutant.ts': 'the mutant that it imports was made a moment before',
  'test/ledger/properties/mutants.ts': 'the mutants that it imports are made while the test runs',
  'test/tidy/rules.test.ts': 'plants some, to see that they are found',
}

export const mayHaveLongLines: Exceptions = {
  'bench/report.ts': 'the text of a report, which is printed as it stands',
  'bench/overload/run.ts': 'as bench/report.ts',
  'bench/servers.ts': 'as bench/report.ts',
}

/** Folders that may have more files than the limit, and how many. */
export const largeFolders: Readonly<Record<string, Readonly<{ files: number; why: string }>>> = {
  bench: { files: 17, why: 'a command or a part of one for each file' },
  src: { files: 18, why: 'the ground: money, time, errors, and the settings of each part' },
  'src/payments': {
    files: 16,
    why: 'a flow for each file: what people can do stands side by side',
  },
}
