/** A message to one person. `recipient` is an e-mail address, or a phone number in E.164. */
export type Message = Readonly<{
  userId: string
  channel: 'email' | 'phone'
  recipient: string
  subject: string
  body: string
}>

/**
 * Hands a message over to whoever carries it. When it throws, the queue tries again under the same
 * `deliveryId`, 32 hexadecimal digits by which whoever carries it may know it again. Who does not
 * sends it twice: a person may get a message twice, and never a message nobody meant.
 */
export type Deliver = (message: Message, deliveryId: string) => Promise<void>
