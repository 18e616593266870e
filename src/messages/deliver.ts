/** A message to one person. `recipient` is an e-mail address, or a phone number in E.164. */
export type Message = Readonly<{
  userId: string
  channel: 'email' | 'phone'
  recipient: string
  subject: string
  body: string
}>

/**
 * Hands a message over to whoever carries it. When it throws, the queue tries again: a person may
 * get a message twice, and never a message nobody meant.
 */
export type Deliver = (message: Message) => Promise<void>
