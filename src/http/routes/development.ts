import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { printTime } from '../../time.ts'
import { PAGE_POLICY, page, prefersHtml } from '../html.ts'
import { markup } from '../../markup.ts'
import type { Message, ReadMailbox } from '../parts.ts'
import { MailboxQuery } from '../schemas.ts'

const MESSAGES_SHOWN = 50

const mailbox = {
  tags: ['development'],
  operationId: 'readMailbox',
  summary: 'Messages sent, newest first',
  description: 'Where the codes arrive that would be mailed or texted. A page, for a browser.',
  querystring: MailboxQuery,
  response: {
    200: {
      description: 'The latest 50.',
      content: {
        'application/json': {
          schema: Type.Object({
            data: Type.Array(
              Type.Object({
                channel: Type.String({ examples: ['email'] }),
                recipient: Type.String({ examples: ['ada@example.com'] }),
                subject: Type.String(),
                body: Type.String(),
                createTime: Type.String({ format: 'date-time' }),
              }),
            ),
          }),
        },
        'text/html': { schema: Type.String() },
      },
    },
  },
}

/** Served in development only: production builds the door without them. */
export const developmentRoutes =
  (readMailbox: ReadMailbox): FastifyPluginCallbackTypebox =>
  (app, _options, done) => {
    app.get(
      '/dev/mailbox',
      { schema: mailbox, config: { action: 'mailbox.read' } },
      async (request, reply) => {
        const { to } = request.query
        const messages = await readMailbox(to ?? null, MESSAGES_SHOWN)
        if (!prefersHtml(request.headers.accept)) {
          return await reply.type('application/json').send({ data: messages.map(toWire) })
        }
        return await reply
          .header('content-security-policy', PAGE_POLICY)
          .type('text/html; charset=utf-8')
          .send(mailboxPage(to, messages))
      },
    )
    done()
  }

function toWire({ channel, recipient, subject, body, createdAt }: Message) {
  return { channel, recipient, subject, body, createTime: printTime(createdAt) }
}

function mailboxPage(to: string | undefined, messages: readonly Message[]): string {
  const shown = messages.map(
    ({ subject, channel, recipient, createdAt, body }) => markup`<article>
<p><strong>${subject}</strong></p>
<p><small>${channel} to ${recipient}, ${printTime(createdAt)}</small></p>
<pre>${body}</pre>
</article>
`,
  )
  const none = markup`<p>Nothing here yet.</p>`
  return page(
    'Mailbox',
    markup`<p>Messages that this service would have sent. Development only.</p>
<form><label>To <input name="to" value="${to ?? ''}"></label> <button>Show</button></form>
${shown.length === 0 ? none : shown}`,
  )
}
