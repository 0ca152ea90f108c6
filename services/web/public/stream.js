/**
 * The connection to Ebb. States: connecting, live, lost. EventSource comes back by itself after a cut; a
 * connection that is open but dead is seen by its missing heartbeat (every 10 s) and opened anew.
 */

const silenceMsMax = 25_000

/**
 * @param {{ update: (sections: object) => void, state: (name: 'live' | 'lost') => void }} listener
 */
export function connect(listener) {
  let source
  let heardMs = performance.now()

  function open() {
    source?.close()
    heardMs = performance.now()
    source = new EventSource('/api/live')
    source.onopen = () => listener.state('live')
    source.onmessage = message => {
      heardMs = performance.now()
      listener.update(JSON.parse(message.data))
    }
    source.addEventListener('heartbeat', () => {
      heardMs = performance.now()
    })
    source.onerror = () => listener.state('lost')
  }

  open()
  setInterval(() => {
    const dead = performance.now() - heardMs > silenceMsMax
    // A refused connection (too many viewers) is closed for good by the browser: try again too.
    if (dead || source.readyState === EventSource.CLOSED) {
      listener.state('lost')
      open()
    }
  }, 5_000)
}
