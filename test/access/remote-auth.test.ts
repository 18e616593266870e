import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { after, test } from 'node:test'
import { createRemoteAuth } from '../../src/access/remote-auth.ts'
import { AppError } from '../../src/errors.ts'

/**
 * Goal: with one way to the auth layer gone, people sign in by the next one, and nothing that may
 * have been heard is said twice.
 * Method: real sockets: one that is closed, some that break off or say nothing, one that answers.
 */
const place = { network: '10.0.0.1', device: null }
const ada = { login: 'ada@example.com', password: 'secret', code: null }
const opened: Server[] = []
/** So long an answer is waited for; a connection, less. */
const ANSWER_WITHIN_MS = 10_000
/** More than are let in. */
const QUEUE = 8

after(() => {
  for (const server of opened) server.close()
})

async function listen(server: Server, port = 0): Promise<string> {
  opened.push(server)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Counts what it is asked, and lets everybody in. */
async function wellDoor(port = 0) {
  const asked: string[] = []
  const server = createHttpServer((request, response) => {
    request.resume()
    asked.push(`${request.method} ${request.url} ${request.headers.authorization}`)
    response.end(JSON.stringify({ accessToken: 'token' }))
  })
  server.keepAliveTimeout = 1
  return { url: await listen(server, port), asked }
}

/** Takes a connection, and does that with it as soon as it has heard something. */
async function badDoor(then: (socket: Socket) => void) {
  let heard = 0
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      heard += 1
      then(socket)
    })
  })
  return { url: await listen(server), heard: () => heard }
}

/** As of a host that is gone: the kernel lets its short queue fill, and answers no more. */
async function silentDoor() {
  const at = `{ port: 0, host: '127.0.0.1', backlog: 1 }`
  const listening = `require('node:net').createServer().listen(${at},
    function () { console.log(this.address().port) })`
  const child = spawn(process.execPath, ['-e', listening], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  child.kill('SIGSTOP')
  const port = Number(String(line))
  const filling = Array.from({ length: QUEUE }, () => connect(port, '127.0.0.1'))
  for (const socket of filling) socket.on('error', () => undefined)
  await Promise.all(filling.slice(0, 1).map(async (socket) => await once(socket, 'connect')))
  const release = (): void => {
    child.kill('SIGKILL')
    for (const socket of filling) socket.destroy()
  }
  return { url: `http://127.0.0.1:${port}`, release }
}

async function nobody(): Promise<string> {
  const server = createServer()
  const url = await listen(server)
  server.close()
  await once(server, 'close')
  return url
}

const unavailable = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'auth_unavailable'

test('where nobody listens, the next one is asked, whatever it is about', async () => {
  const well = await wellDoor()
  const layer = createRemoteAuth([await nobody(), well.url], 'back')
  assert.deepEqual(await layer.signIn(ada, place), { accessToken: 'token' })
  await layer.refresh('a token that works once', place)
  assert.deepEqual(well.asked, ['POST /back/sign-in Bearer back', 'POST /back/refresh Bearer back'])
})

test('who answered last is asked first', async () => {
  const way = await nobody()
  const one = await wellDoor()
  const layer = createRemoteAuth([way, one.url], 'back')
  await layer.signIn(ada, place)
  const back = await wellDoor(Number(new URL(way).port))
  await layer.signIn(ada, place)
  assert.deepEqual([one.asked.length, back.asked.length], [2, 0])
})

test('what may have been heard is not said twice, and the next question goes elsewhere', async () => {
  for (const then of [
    (socket: Socket) => socket.destroy(),
    (socket: Socket) => socket.resetAndDestroy(),
    (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"half'),
  ]) {
    const well = await wellDoor()
    const bad = await badDoor(then)
    const layer = createRemoteAuth([bad.url, well.url], 'back')
    await assert.rejects(layer.signIn(ada, place), unavailable)
    assert.deepEqual([bad.heard(), well.asked.length], [1, 0])
    await layer.signIn(ada, place)
    assert.deepEqual([bad.heard(), well.asked.length], [1, 1])
  }
})

test('a way that ends after an answer is noticed before anything is said again', async () => {
  const well = await wellDoor()
  const server = createServer((socket) => {
    const text = '{"accessToken":"token"}'
    const head = `HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\nconnection: keep-alive`
    socket.once('data', () => {
      socket.write(`${head}\r\n\r\n${text}`)
      // Whoever says more on it finds out too late.
      socket.on('data', () => socket.destroy())
    })
    socket.on('error', () => undefined)
  })
  const layer = createRemoteAuth([await listen(server), well.url], 'back')
  await layer.signIn(ada, place)
  server.close()
  await layer.signIn(ada, place)
  assert.equal(well.asked.length, 1)
})

test('an answer is an answer, also one that refuses', async () => {
  const well = await wellDoor()
  const refusing = await badDoor((socket) => {
    socket.end('HTTP/1.1 503 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
  })
  const layer = createRemoteAuth([refusing.url, well.url], 'back')
  await assert.rejects(layer.signIn(ada, place), unavailable)
  await assert.rejects(layer.signIn(ada, place), unavailable)
  assert.equal(well.asked.length, 0)
})

test('an address that says nothing to who comes is passed by in time', async () => {
  const well = await wellDoor()
  const { url, release } = await silentDoor()
  const layer = createRemoteAuth([url, well.url], 'back')
  const began = performance.now()
  await layer.signIn(ada, place)
  assert(performance.now() - began < ANSWER_WITHIN_MS, 'it waited as if it had asked something')
  assert.equal(well.asked.length, 1)
  release()
})

test('with all of them gone, it is told as what it is', async () => {
  const layer = createRemoteAuth([await nobody(), await nobody()], 'back')
  await assert.rejects(layer.signIn(ada, place), unavailable)
})
