/** How long a transaction of the auth layer waits for a row that somebody else holds. */
export const transaction = { lockTimeoutMs: 2_000 } as const
