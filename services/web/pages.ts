/**
 * The page's own files, read once at start: plain HTML, CSS and modules, no build. `{{name}}` in the HTML
 * is filled here, so that project, banner and every rule stand there at the first paint.
 */

import { hash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { assert } from '../base/errors.ts'
import * as figures from './queries.ts'

export interface PageFile {
  readonly path: string
  readonly type: string
  readonly body: Buffer
  readonly etag: string
}

const folder = new URL('./public/', import.meta.url)

const types: Record<string, string> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
}

export function readPages(options: { project: string; replay: boolean }): PageFile[] {
  return readdirSync(folder).map(name => {
    const type = types[name.slice(name.lastIndexOf('.') + 1)]
    assert(type, `${name} is no kind of file that the page has`)
    const text = readFileSync(new URL(name, folder), 'utf8')
    const body = Buffer.from(name.endsWith('.html') ? filled(text, options) : text)
    const etag = `"${hash('sha256', body).slice(0, 20)}"`
    return { path: name === 'index.html' ? '/' : `/${name}`, type, body, etag }
  })
}

function filled(html: string, options: { project: string; replay: boolean }): string {
  const values: Record<string, string> = {
    project: options.project,
    mode: options.replay ? 'replay' : 'live',
  }
  for (const [name, figure] of Object.entries(figures))
    if (typeof figure === 'object' && 'rule' in figure) values[`rule.${name}`] = figure.rule
  return html.replace(/\{\{([\w.]+)\}\}/g, (_, name: string) => {
    const value = values[name]
    assert(value !== undefined, `the page asks for {{${name}}}, which nobody gives`)
    return value.replace(/[&<>"]/g, character => `&#${character.charCodeAt(0)};`)
  })
}
