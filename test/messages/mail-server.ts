import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

export type MailServer = Readonly<{
  url: string
  /** Every line that it was told. */
  heard: readonly string[]
  /** Each message that was taken, as its lines. */
  taken: readonly (readonly string[])[]
  close: () => Promise<void>
}>

/**
 * Speaks enough SMTP to take messages.
 *
 * @param answer Says what comes of a message, by its lines: `250 taken`, say.
 * @see RFC 5321
 */
export async function startMailServer(
  answer: (lines: readonly string[]) => Promise<string> | string,
): Promise<MailServer> {
  const heard: string[] = []
  const taken: (readonly string[])[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined) // whoever sends may be killed
    let message: string[] | null = null

    async function end(lines: readonly string[]): Promise<void> {
      const said = await answer(lines)
      if (said.startsWith('250')) taken.push(lines)
      if (!socket.destroyed) socket.write(`${said}\r\n`)
    }

    function hear(line: string): void {
      heard.push(line)
      if (message && line !== '.') return void message.push(line)
      if (message) {
        void end(message)
        message = null
        return
      }
      if (line === 'DATA') message = []
      if (line === 'QUIT') socket.end('221 bye\r\n')
      else socket.write(line === 'DATA' ? '354 go on\r\n' : '250 ok\r\n')
    }

    let rest = ''
    socket.setEncoding('utf8')
    socket.write('220 test\r\n')
    socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\r\n')
      rest = lines.pop() ?? ''
      for (const line of lines) hear(line)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard,
    taken,
    close: async () => {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}
