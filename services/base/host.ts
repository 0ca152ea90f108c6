/**
 * Which names a browser may call us by. Without this a page of a stranger could point its own name at
 * 127.0.0.1 and read our answers as if they were its own (DNS rebinding).
 */

const loopbackNames = ['localhost', '127.0.0.1', '[::1]']

/** `names` are those beside loopback's, without a port: the one we listen on, and what operators have published. */
export function isAllowedHost(header: string | undefined, names: readonly string[]): boolean {
  const name = /^(\[[^\]]*\]|[^:]*)(?::\d+)?$/.exec(header ?? '')?.[1]?.toLowerCase()
  if (!name) return false
  return loopbackNames.includes(name) || names.some(other => name === other.toLowerCase())
}
