import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readCsv } from '../../services/collector/import/csv.ts'
import { type Line, lineBytesMax, readLines } from '../../services/collector/import/lines.ts'

/** Each row as `line: cells`, or `line: reason`; the bytes come in pieces of `pieceBytes`. */
async function rows(content: string | Buffer, pieceBytes = 1 << 20): Promise<string[]> {
  const bytes = Buffer.from(content)
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
  }
  const all: string[] = []
  for await (const block of readCsv(readLines(pieces())))
    for (const { line, cells } of block)
      all.push(`${line}: ${'reason' in cells ? cells.reason : cells.join('|')}`)
  return all
}

test('quotes, commas, doubled quotes and empty cells', async () => {
  const found = await rows('a,b,c\n"x, y","say ""hi""",\n1,,3\n')
  assert.deepEqual(found, ['1: a|b|c', '2: x, y|say "hi"|', '3: 1||3'])
})

test('a quoted cell keeps its line breaks, and rows keep the line they begin at', async () => {
  const found = await rows('a,b\r\n"one\r\ntwo",2\r\n3,4\r\n')
  assert.deepEqual(found, ['1: a|b', '2: one\r\ntwo|2', '4: 3|4'])
})

test('a byte order mark is no part of the first column', async () => {
  assert.deepEqual(await rows('\ufeffa,b\n1,2'), ['1: a|b', '2: 1|2'])
})

test('blank lines are no rows, and the last line needs no newline', async () => {
  assert.deepEqual(await rows('a,b\n\n1,2\r\n  \n3,4'), ['1: a|b', '3: 1|2', '5: 3|4'])
})

test('bytes may come in pieces of any size', async () => {
  const content = '\ufeffa,b\r\n"x\r\n""y""",é\r\n1,"2\r\n3,4\r\n5,6'
  const expected = ['1: a|b', '2: x\r\n"y"|é', '4: quote', '5: 3|4', '6: 5|6']
  for (const pieceBytes of [1, 2, 3, 7, 1000])
    assert.deepEqual(await rows(content, pieceBytes), expected)
})

test('a quote that is never closed costs one row', async () => {
  const found = await rows('a,b\n1,2\n3,"4\n5,6\n7,8\n')
  assert.deepEqual(found, ['1: a|b', '2: 1|2', '3: quote', '4: 5|6', '5: 7|8'])
})

test('a lone quote costs its row, though another row has quotes as well', async () => {
  const found = await rows('a,b\n1,5" disk\n3,4\n5,"x\ny"\n7,8\n9,"ok"\n')
  assert.deepEqual(found, ['1: a|b', '2: quote', '3: 3|4', '4: 5|x\ny', '6: 7|8', '7: 9|ok'])
})

test('text after a closing quote costs its row', async () => {
  assert.deepEqual(await rows('a,b\n"1"x,2\n3,4\n'), ['1: a|b', '2: quote', '3: 3|4'])
})

test('too few and too many columns cost their rows', async () => {
  const found = await rows('a,b\n1\n1,2,3\n4,5\n')
  assert.deepEqual(found, ['1: a|b', '2: columns', '3: columns', '4: 4|5'])
})

test('what is not UTF-8 costs its row', async () => {
  const found = await rows(Buffer.from('a,b\ncaf\xe9,1\n"caf\xe9",1\ncafe,2\n', 'latin1'))
  assert.deepEqual(found, ['1: a|b', '2: encoding', '3: encoding', '4: cafe|2'])
})

test('a row over several lines with the wrong number of columns costs its first line', async () => {
  const found = await rows('a,b\n1,"2\n3",4,5\n6,7\n')
  assert.deepEqual(found, ['1: a|b', '2: quote', '3: quote', '4: 6|7'])
})

/** The bytes in pieces; `read()` says how many were asked for. */
function piecesOf(content: string, pieceBytes: number) {
  const bytes = Buffer.from(content)
  let read = 0
  async function* pieces() {
    for (; read < bytes.length; read += pieceBytes) yield bytes.subarray(read, read + pieceBytes)
  }
  return { pieces: pieces(), read: () => read }
}

test('a line without an end is read over, not kept', async () => {
  const content = `a,b\n1,${'x'.repeat(3 * lineBytesMax)}\n3,4\n`
  assert.deepEqual(await rows(content, 1 << 16), ['1: a|b', '2: size', '3: 3|4'])
  const cut: Line[] = []
  for await (const lines of readLines(piecesOf(content, 1 << 16).pieces))
    cut.push(...lines.filter(line => line.isCut))
  assert.equal(cut.length, 1)
  assert.ok(cut[0]!.bytes.buffer.byteLength < 1.1 * lineBytesMax)
})

test('an open quote is given up after a bounded number of bytes', async () => {
  const lines = Math.ceil((3 * lineBytesMax) / 100)
  const { pieces, read } = piecesOf(`a,b\n1,"2\n${`${'x'.repeat(98)},y\n`.repeat(lines)}`, 1 << 18)
  let givenUpAt = 0
  let count = 0
  for await (const block of readCsv(readLines(pieces))) {
    count += block.length
    if (givenUpAt === 0 && 'reason' in block[0]!.cells) givenUpAt = read()
  }
  assert.equal(count, lines + 2)
  assert.ok(givenUpAt < 1.5 * lineBytesMax, `given up after ${givenUpAt} bytes`)
})
