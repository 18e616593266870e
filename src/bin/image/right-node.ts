import { readFileSync } from 'node:fs'

// The last step of building an image: is its Node the one that everything was tested with?
const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
const { devDependencies } = JSON.parse(text) as { devDependencies: Readonly<{ node: string }> }
if (process.versions.node !== devDependencies.node) {
  console.error(
    `package.json pins Node ${devDependencies.node}, and this is ${process.versions.node}: ` +
      `deploy/Dockerfile must begin FROM node:${devDependencies.node}-bookworm-slim.`,
  )
  process.exit(1)
}
