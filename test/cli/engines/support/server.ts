/**
 * A server for one file, with everything that can go wrong on the way.
 */
import { createHash } from "node:crypto"
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"

/** How the server answers one request. */
export interface Answer {
  /** Breaks the connection after so many bytes of the body. */
  readonly cutAfter?: number
  /** Breaks it only when whoever downloads has seen them; else some may be lost on the way. */
  readonly whenSeen?: boolean
  readonly status?: number
  /** It does not know of parts of files. */
  readonly ignoresRange?: boolean
}

export interface FileServer {
  readonly url: string
  /** Every request: the part that it asked for. */
  readonly ranges: ReadonlyArray<string | undefined>
  /** How the coming requests are answered; whole and well when there are no more. */
  readonly answers: Array<Answer>
  /** To be told of how many bytes were seen. */
  readonly onSeen: (bytes: number) => void
  /** Replaces the file. */
  readonly serve: (content: Uint8Array) => void
  readonly close: () => Promise<void>
}

const etagOf = (content: Uint8Array): string => `"${createHash("sha256").update(content).digest("hex").slice(0, 16)}"`

/** Where a request asks to begin, if the file is still the one that it has a part of. */
const startOf = ({ headers }: IncomingMessage, etag: string): number =>
  headers["if-range"] !== undefined && headers["if-range"] !== etag
    ? 0
    : Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0)

/** Starts the server. */
export const startServer = async (): Promise<FileServer> => {
  let content: Uint8Array = new Uint8Array()
  const ranges: Array<string | undefined> = []
  const answers: Array<Answer> = []
  let onSeen: FileServer["onSeen"] = () => {}
  const server = createServer((request, response) => {
    ranges.push(request.headers.range)
    const { cutAfter, ignoresRange = false, status, whenSeen = false } = answers.shift() ?? {}
    if (status !== undefined) {
      response.writeHead(status).end()
      return
    }
    const etag = etagOf(content)
    const start = ignoresRange ? 0 : startOf(request, etag)
    if (start >= content.length && start > 0) {
      response.writeHead(416, { "content-range": `bytes */${content.length}` }).end()
      return
    }
    const rest = content.subarray(start)
    response.writeHead(start > 0 ? 206 : 200, {
      etag,
      "content-length": rest.length,
      ...start > 0 ? { "content-range": `bytes ${start}-${content.length - 1}/${content.length}` } : {}
    })
    if (cutAfter === undefined || cutAfter >= rest.length) response.end(rest)
    else {
      const cut = () => response.destroy()
      onSeen = (bytes) => whenSeen && bytes === start + cutAfter ? cut() : undefined
      response.write(rest.subarray(0, cutAfter), () => whenSeen ? undefined : cut())
    }
  })
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ranges,
    answers,
    onSeen: (bytes) => onSeen(bytes),
    serve: (next) => {
      content = next
    },
    close: () =>
      new Promise((done) => {
        server.closeAllConnections()
        server.close(() => done())
      })
  }
}
