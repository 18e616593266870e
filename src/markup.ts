/** Markup that is safe to send: whatever came from outside has been escaped. */
export type Markup = Readonly<{ text: string }>

type Value = string | number | Markup | readonly Markup[]

/** Joins markup and values; every value that is not markup itself is escaped. */
export function markup(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
  const text = strings.reduce((text, part, index) => text + print(values[index - 1] ?? '') + part)
  return { text }
}

function print(value: Value): string {
  if (typeof value === 'object') {
    return 'text' in value ? value.text : value.map(({ text }) => text).join('')
  }
  return String(value).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}
