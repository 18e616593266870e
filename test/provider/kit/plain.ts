import assert from 'node:assert/strict'
import type { Page } from './visitor.ts'

/**
 * Asserts what holds for every page: no script or style in itself, nothing from elsewhere, one
 * heading, a name for every field, and buttons that do different things called differently.
 */
export function assertPlain({ html, url }: Pick<Page, 'html' | 'url'>): void {
  assert.match(html, /^<!doctype html>\n<html lang="en">/, url.href)
  assert.equal(html.match(/<h1>[^<]+<\/h1>/g)?.length, 1, url.href)
  assert.doesNotMatch(html, /\son\w+\s*=|<script(?![^>]*\bsrc=)|<style|\sstyle=|javascript:/i)
  assert.doesNotMatch(html, /https?:\/\/(?!localhost|www\.w3\.org)/, `${url.href} loads elsewhere`)
  const unlabelled = html.replaceAll(/<label>[^]*?<\/label>/g, '')
  assert.doesNotMatch(unlabelled, /<input(?![^>]*(?:type="hidden"|aria-label=))/, url.href)
  const names = [...html.matchAll(/<button([^>]*)>([^<]+)</g)].map(
    ([, attributes = '', text]) => /aria-label="([^"]*)"/.exec(attributes)?.[1] ?? text,
  )
  assert.equal(new Set(names).size, names.length, `${url.href} has twins: ${String(names)}`)
}
