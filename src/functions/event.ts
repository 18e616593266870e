import type { PaymentParts } from '../payments/parts.ts'
import type { JobEvent, JobName, Jobs } from '../queue/jobs.ts'

/** What the functions are built of, in a worker as on AWS Lambda. */
export type FunctionParts = Readonly<{
  payments: PaymentParts
  /** `deliveryId` is the same for the same message: whoever carries it may know it again. */
  deliver: (message: Jobs['send-message'], deliveryId: string) => Promise<void>
  /** Fails when an invariant does not hold, so that the job is kept for operators to see. */
  audit: () => Promise<void>
  /** Where links in messages lead: the auth layer's pages, without a slash at the end. */
  authUrl: string
}>

/**
 * What one job does. It knows nothing of who runs it, and is run at least once: again, and at the
 * same time too, and leaves the world as after once.
 */
export type JobFunction<N extends JobName> = (
  event: JobEvent<N>,
  parts: FunctionParts,
) => Promise<void>
