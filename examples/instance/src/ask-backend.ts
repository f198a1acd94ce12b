export interface BackendAnswer {
  readonly status: number;
  readonly body: object;
}

/** What the backend answers, as the instance passes it on to the user's browser. */
export async function askBackend(
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<BackendAnswer> {
  let answer: Response;
  try {
    // A redirect would carry the token to another host.
    const bounds = { redirect: 'error', signal: AbortSignal.timeout(10_000) } as const;
    answer = await fetch(url, { method: 'POST', headers, ...bounds });
  } catch {
    return { status: 502, body: { error: 'the backend does not answer' } };
  }
  const body = await objectOf(answer);
  if (answer.ok && body) return { status: 200, body };
  // Not passed on as 401 or 403: the user is signed in and allowed. The instance's token was refused.
  const said = { backend_status: answer.status, backend_answer: body };
  return { status: 502, body: { error: 'the backend refused this instance', ...said } };
}

async function objectOf(answer: Response): Promise<object | null> {
  const body: unknown = await answer.json().catch(() => null);
  return typeof body === 'object' ? body : null;
}
