import {
  type RouterAnswer,
  RouterError,
  type RouterErrorCode,
  type RouterRequest,
  type Transport,
} from './transport.ts'

/** A record as the router prints it: every value is a text. */
export type Item = Readonly<Record<string, string>>

/** The console's verbs over REST: PUT adds, PATCH sets, DELETE removes. */
export interface RouterApi {
  print(menu: string, where?: Item): Promise<readonly Item[]>
  add(menu: string, values: Item): Promise<void>
  set(menu: string, id: string, values: Item): Promise<void>
  /** What is not there is removed. */
  remove(menu: string, id: string): Promise<void>
  run(command: string, values: Item): Promise<void>
}

export function routerApi(transport: Transport): RouterApi {
  const ask = async (request: RouterRequest): Promise<unknown> =>
    understand(await transport(request), request)
  return {
    async print(menu, where = {}) {
      const query = new URLSearchParams(where).toString()
      const answer = await ask({ method: 'GET', path: query ? `${menu}?${query}` : menu })
      if (Array.isArray(answer) && answer.every(isItem)) {
        // Once more: what is printed may be removed, and a router may not know the filter.
        return answer.filter(item =>
          Object.entries(where).every(([key, value]) => item[key] === value),
        )
      }
      throw new RouterError('nonsense', `the router answered GET ${menu} with no list of records`)
    },
    async add(menu, values) {
      await ask({ method: 'PUT', path: menu, body: values })
    },
    async set(menu, id, values) {
      await ask({ method: 'PATCH', path: `${menu}/${id}`, body: values })
    },
    async remove(menu, id) {
      await ask({ method: 'DELETE', path: `${menu}/${id}` }).catch(error => {
        if (!(error instanceof RouterError && error.code === 'absent')) throw error
      })
    },
    async run(command, values) {
      await ask({ method: 'POST', path: command, body: values })
    },
  }
}

/**
 * What the router says in all its ways: an error has a status of its own, or comes with 200 and an
 * error inside; and what it means stands in words, which differ between the versions.
 */
function understand({ status, text }: RouterAnswer, request: RouterRequest): unknown {
  let answer: unknown
  try {
    answer = text === '' ? undefined : JSON.parse(text)
  } catch {
    answer = { error: status, message: text }
  }
  const isGood = status >= 200 && status < 300 && !isFailure(answer)
  if (isGood) return answer
  const words = wordsOf(answer, request)
  const code = codeOf(status, words)
  const what = `${request.method} ${request.path.replace(/\?.*$/, '')}`
  throw new RouterError(
    code,
    `the router refused ${what} (${status} ${words})${REMEDIES[code] ?? ''}`,
  )
}

const REMEDIES: Partial<Record<RouterErrorCode, string>> = {
  login: '; check user and password',
  permission: '; its group there needs read, write and rest-api, and policy to make logins',
}

function codeOf(status: number, words: string): RouterErrorCode {
  if (/not enough permissions|not permitted/i.test(words)) return 'permission'
  if (/already (have|exists)/i.test(words)) return 'duplicate'
  if (status === 401) return 'login'
  if (status === 403) return 'permission'
  if (status === 404 || /no such item/i.test(words)) return 'absent'
  return 'refused'
}

const isFailure = (answer: unknown): answer is { error: unknown } =>
  typeof answer === 'object' && answer !== null && 'error' in answer

const isItem = (value: unknown): value is Item =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).every(one => typeof one === 'string')

/** Enough to tell what is wrong, on a line of a log. */
const WORDS_MOST = 200

function wordsOf(answer: unknown, { body }: RouterRequest): string {
  const { message, detail } = (isFailure(answer) ? answer : {}) as Record<string, unknown>
  const words = [message, detail].filter(one => typeof one === 'string').join(': ')
  // A router that quotes what it does not like may quote a password.
  const quoted = body?.password ? words.replaceAll(body.password, '…') : words
  return quoted
    .replace(/[\s\x00-\x1f\x7f-\x9f]+/g, ' ')
    .trim()
    .slice(0, WORDS_MOST)
}
