import type { TestIssuer } from './test-issuer.js';

export interface ActivationPayload {
  readonly licenseKey: string | null;
  readonly futureSubscriptions: readonly Readonly<Record<string, unknown>>[] | null;
  readonly newSubscription: boolean | null;
  readonly errors: readonly string[];
}

export interface ActivationAnswer {
  readonly status: number;
  readonly text: string;
  /** Null when the request was refused as a whole. */
  readonly payload: ActivationPayload | null;
  readonly errors: readonly { readonly extensions?: { readonly code?: string } }[];
}

type Variables = Readonly<Record<string, unknown>>;

/** As GitLab asks: each variable is declared by itself, and the input is built in the document. */
export const ACTIVATE = `mutation($activationCode: String!, $instanceIdentifier: String!,
    $uniqueInstanceId: String, $automated: Boolean!, $gitlabVersion: String!, $hostname: String!) {
  cloudActivationActivate(input: { activationCode: $activationCode,
      instanceIdentifier: $instanceIdentifier, uniqueInstanceId: $uniqueInstanceId,
      automated: $automated, gitlabVersion: $gitlabVersion, hostname: $hostname }) {
    licenseKey errors newSubscription
    futureSubscriptions { cloudLicenseEnabled offlineCloudLicenseEnabled plan company email name
      startsAt expiresAt usersInLicenseCount }
  }
}`;

/** One activation as a GitLab instance asks for it. */
export async function activate(
  issuer: Pick<TestIssuer, 'url'>,
  activationCode: string,
  instanceIdentifier: string,
  about: Variables = {},
  headers: Readonly<Record<string, string>> = {},
  query: string = ACTIVATE,
): Promise<ActivationAnswer> {
  const variables = {
    activationCode,
    instanceIdentifier,
    automated: false,
    gitlabVersion: '18.6.0-ee',
    hostname: 'gitlab.example.com',
    ...about,
  };
  const response = await fetch(`${issuer.url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-admin-email': 'ada@example.com',
      'x-admin-token': 'means nothing here',
      ...headers,
    },
    body: JSON.stringify({ query, variables }),
  });
  if (response.headers.get('content-type') !== 'application/json') {
    throw new Error(`an instance cannot read ${String(response.headers.get('content-type'))}`);
  }
  const text = await response.text();
  const { data, errors } = JSON.parse(text) as {
    data?: { cloudActivationActivate: ActivationPayload | null };
    errors?: ActivationAnswer['errors'];
  };
  const payload = data?.cloudActivationActivate ?? null;
  return { status: response.status, text, payload, errors: errors ?? [] };
}
