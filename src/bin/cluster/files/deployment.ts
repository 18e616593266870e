import type { Place, Places } from '../places.ts'
import type { Secrets } from '../secrets.ts'

/** A file that a process reads. */
export type File = Readonly<{
  path: string
  text: string
  /** Its process writes into it: it is made once, and then left alone. */
  once?: true
}>

/** Where the certificates of a host are, all in PEM. */
export type Tls = Readonly<{
  /** Who signed everybody's certificate. */
  ca: string
  cert: string
  key: string
  /** The certificate that customers see, and its key, in one file. */
  front: string
  /** A host's own certificate and key in one file, as HAProxy wants it. */
  pair: string
}>

/** Where one process has what on its host. */
export type Paths = Readonly<{
  config: string
  data: string
  run: string
  /** Of a database whose WAL goes to pgBackRest: its file, and where it writes what it did. */
  archive?: Readonly<{ config: string; log: string }>
}>

/** A whole picture: on one machine, or on many. */
export type Deployment = Readonly<{
  places: Places
  secrets: Secrets
  paths: (place: Place) => Paths
  /** What balancers check tokens with, and what they say by themselves. */
  edgeKeys: string
  problems: string
  postgresBin: string
  /** How the outside reaches the API and the auth layer, without a slash at the end. */
  publicUrl: string
  authUrl: string
  /** Null: all is plain, as on one machine. */
  tls: Tls | null
  /** Whether systemd starts what is here, and HAProxy as root. */
  systemd: boolean
  /** How much of its host a database may have. */
  sharedBuffers: string
  redisMemory: string
  /** Where WAL and back-ups go: as lines of pgbackrest.conf, or WAL by a command of one's own. */
  archive: Readonly<{ repository: readonly string[] }> | Readonly<{ command: string }>
}>
