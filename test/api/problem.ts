import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

/** RFC 9457 as this service fills it. */
export interface ProblemJson {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly errors?: readonly {
    readonly pointer?: string;
    readonly parameter?: string;
    readonly detail: string;
  }[];
}

/** Reads a failure and holds it to the one shape of failures. */
export async function problemOf(response: Response): Promise<ProblemJson> {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const problem = (await response.json()) as ProblemJson;
  expect(problem).toMatchObject({
    type: `/docs/errors#${problem.code.toLowerCase()}`,
    title: expect.stringMatching(/^[A-Z]/) as string,
    status: response.status,
    detail: expect.stringMatching(/.{10,}/) as string,
    code: expect.stringMatching(/^[A-Z_]+$/) as string,
  });
  const known = ['type', 'title', 'status', 'detail', 'code', 'errors'];
  expect(known).toEqual(expect.arrayContaining(Object.keys(problem)));
  return problem;
}

/** Holds `response` to one failure; `places` are the pointers or parameters that it blames. */
export async function expectProblem(
  response: Response,
  status: number,
  code: string,
  places?: readonly string[],
): Promise<ProblemJson> {
  const problem = await problemOf(response);
  expect({ status: problem.status, code: problem.code }).toEqual({ status, code });
  if (places) {
    const blamed = problem.errors?.map(({ pointer, parameter }) => pointer ?? parameter);
    expect(blamed?.sort()).toEqual([...places].sort());
  }
  return problem;
}

/** What the service answers to bytes that need not be HTTP; it has to close the connection itself. */
export async function answerToBytes(url: string, bytes: string): Promise<Response> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(bytes);
  const [head = '', body = ''] = (await text(socket)).split('\r\n\r\n');
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers = lines.map((line): [string, string] => {
    const [name = '', value = ''] = line.split(': ');
    return [name, value];
  });
  return new Response(body, { status: Number(statusLine.split(' ')[1]), headers });
}
