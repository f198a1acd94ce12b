/** What a client may select of `cloudConnectorAccess`, in the words that it uses. */
const SELECTIONS = {
  serviceToken: 'serviceToken { token expiresAt }',
  availableServices: 'availableServices { name serviceStartTime bundledWith }',
  catalog: 'catalog',
} as const;

export type SyncField = keyof typeof SELECTIONS;

/** How one generation of clients asks. */
export interface Generation {
  readonly version: string;
  readonly fields: readonly SyncField[];
  /** False for the first ones, whose document has no `gitlabVersion`. */
  readonly sendsVersion?: boolean;
  /** Whether it names itself in `x-gitlab-*` headers. */
  readonly sendsHeaders: boolean;
  readonly namesOperation: boolean;
  /** The documented script leaves a newline behind the key. */
  readonly keyEnding: '' | '\n';
}

export const GENERATIONS = {
  'the first GitLab': {
    version: '16.8.0-ee',
    sendsVersion: false,
    fields: ['serviceToken', 'availableServices'],
    sendsHeaders: false,
    namesOperation: true,
    keyEnding: '',
  },
  'GitLab 16.8': {
    version: '16.8.0-ee',
    fields: ['serviceToken', 'availableServices'],
    sendsHeaders: false,
    namesOperation: true,
    keyEnding: '',
  },
  'GitLab 17.5': {
    version: '17.5.2-ee',
    fields: ['serviceToken', 'availableServices'],
    sendsHeaders: true,
    namesOperation: true,
    keyEnding: '',
  },
  'GitLab 18.0, between the two': {
    version: '18.0.1-ee',
    fields: ['serviceToken', 'availableServices', 'catalog'],
    sendsHeaders: true,
    namesOperation: true,
    keyEnding: '',
  },
  'GitLab 18.6': {
    version: '18.6.0-ee',
    fields: ['serviceToken', 'catalog'],
    sendsHeaders: true,
    namesOperation: true,
    keyEnding: '',
  },
  'the documented script': {
    version: '17.4',
    fields: ['serviceToken'],
    sendsHeaders: false,
    namesOperation: false,
    keyEnding: '\n',
  },
} as const satisfies Record<string, Generation>;

export const NEWEST: Generation = GENERATIONS['GitLab 18.6'];

export interface ServiceTokenJson {
  readonly token?: string | null;
  readonly expiresAt?: string | null;
}

export interface AvailableServiceJson {
  readonly name: string;
  readonly serviceStartTime: string | null;
  readonly bundledWith: readonly string[] | null;
}

export interface CloudConnectorAccessJson {
  readonly serviceToken?: ServiceTokenJson | null;
  readonly availableServices?: readonly AvailableServiceJson[] | null;
  readonly catalog?: unknown;
}

interface GraphqlErrorJson {
  readonly message: string;
  readonly extensions?: { readonly code?: string };
}

interface AnswerJson {
  readonly data?: { readonly cloudConnectorAccess?: CloudConnectorAccessJson | null } | null;
  readonly errors?: readonly GraphqlErrorJson[];
}

/** What an instance does with its tokens after an answer. */
export type Effect = 'stores the token' | 'deletes its tokens' | 'keeps its tokens' | 'asks again';

export interface SyncAnswer {
  readonly status: number;
  readonly contentType: string | null;
  readonly retryAfter: string | null;
  /** The body as it came. */
  readonly text: string;
  readonly data: CloudConnectorAccessJson | null;
  readonly errors: readonly GraphqlErrorJson[];
  /** `errors[0].extensions.code`; null without errors. */
  readonly code: string | null;
  readonly effect: Effect;
}

export interface Identity {
  readonly licenseKey: string;
  /** Null for one that sends no `x-gitlab-instance-id`. */
  readonly instanceId?: string | null;
  readonly hostName?: string;
}

/** A GitLab installation as the issuer meets it: nothing but its requests. */
export class GitlabInstance {
  constructor(
    private readonly issuerUrl: string,
    private readonly identity: Identity,
    private readonly generation: Generation = NEWEST,
  ) {}

  /** One sync as this generation asks for it; `fields` asks for others. */
  async sync(fields: readonly SyncField[] = this.generation.fields): Promise<SyncAnswer> {
    const selection = fields.map((field) => SELECTIONS[field]).join('\n    ');
    return this.send({ query: syncQuery(selection, this.generation), variables: this.variables() });
  }

  /** The token of a sync that must succeed. */
  async serviceToken(): Promise<{ readonly token: string; readonly expiresAt: string }> {
    const { data, text } = await this.sync(['serviceToken']);
    const { token, expiresAt } = data?.serviceToken ?? {};
    if (token && expiresAt) return { token, expiresAt };
    throw new Error(`the sync brought no token: ${text}`);
  }

  variables(): { readonly licenseKey: string; readonly gitlabVersion?: string } {
    const { keyEnding, version, sendsVersion } = this.generation;
    const licenseKey = this.identity.licenseKey + keyEnding;
    return sendsVersion === false ? { licenseKey } : { licenseKey, gitlabVersion: version };
  }

  headers(): Record<string, string> {
    const { version, sendsHeaders } = this.generation;
    const { instanceId, hostName } = this.identity;
    return {
      'user-agent': `GitLab/${version}`,
      accept: 'application/json',
      'content-type': 'application/json',
      ...(sendsHeaders
        ? {
            'x-gitlab-host-name': hostName ?? 'gitlab.example.com',
            'x-gitlab-realm': 'self-managed',
            'x-gitlab-version': version,
            ...(instanceId ? { 'x-gitlab-instance-id': instanceId } : {}),
          }
        : {}),
    };
  }

  /** Any request body with the headers of this instance; a string goes as it is. */
  async send(body: unknown, headers: Record<string, string> = {}): Promise<SyncAnswer> {
    const response = await fetch(`${this.issuerUrl}/graphql`, {
      method: 'POST',
      headers: { ...this.headers(), ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return readAnswer(response);
  }
}

export function syncQuery(
  selection: string,
  { namesOperation, sendsVersion }: Pick<Generation, 'namesOperation' | 'sendsVersion'>,
) {
  const [variable, argument] =
    sendsVersion === false
      ? ['', '']
      : [', $gitlabVersion: String!', ', gitlabVersion: $gitlabVersion'];
  return `query ${namesOperation ? 'cloudConnectorAccess' : ''}($licenseKey: String!${variable}) {
  cloudConnectorAccess(licenseKey: $licenseKey${argument}) {
    ${selection}
  }
}`;
}

/**
 * Reads an answer as an instance does. A body under any other content type than the bare
 * `application/json` stays a string there, and its job fails on it.
 */
async function readAnswer(response: Response): Promise<SyncAnswer> {
  const contentType = response.headers.get('content-type');
  const text = await response.text();
  if (contentType !== 'application/json') {
    throw new Error(`the job of the instance raises on ${String(contentType)}: ${text}`);
  }
  const answer = JSON.parse(text) as AnswerJson;
  const errors = answer.errors ?? [];
  return {
    status: response.status,
    contentType,
    retryAfter: response.headers.get('retry-after'),
    text,
    data: answer.data?.cloudConnectorAccess ?? null,
    errors,
    code: errors[0]?.extensions?.code ?? null,
    effect: effectOf(response, answer),
  };
}

function effectOf(response: Response, { data, errors }: AnswerJson): Effect {
  if (!response.ok) return response.status === 422 ? 'keeps its tokens' : 'asks again';
  if (errors) return 'keeps its tokens';
  const { token, expiresAt } = data?.cloudConnectorAccess?.serviceToken ?? {};
  return token && expiresAt ? 'stores the token' : 'deletes its tokens';
}
