import type { Expectation } from './corpus-entry.js';

/** What a client sends; a name may be replaced, or left out with null. */
export type HeaderChanges = Readonly<Record<string, string | null>>;

/** A good token, sent with headers that do not fit it, or that need not be there. */
export interface HeaderCase {
  readonly name: string;
  readonly what: string;
  readonly expected: Expectation;
  /** What the body says then, by the contract of the field: `{"error": "..."}`. */
  readonly error?: string;
  readonly changes: (token: string, instanceId: string) => HeaderChanges;
}

const OF_ANOTHER = '00000000-0000-4000-8000-000000000000';
const INSTANCE_MISMATCH = "Header mismatch 'X-Gitlab-Instance-Id'";
const REALM_MISMATCH = "Header mismatch 'X-Gitlab-Realm'";

export const HEADER_CASES: readonly HeaderCase[] = [
  refused('no-authorization', 'no `Authorization` header', () => ({ Authorization: null })),
  refused('no-token', '`Authorization: Bearer` without a token', () => ({
    Authorization: 'Bearer',
  })),
  refused('basic-scheme', 'the token under the scheme `Basic`', (token) => ({
    Authorization: `Basic ${token}`,
  })),
  refused('no-scheme', 'the bare token, without `Bearer`', (token) => ({ Authorization: token })),
  refused('no-authentication-type', 'no `X-Gitlab-Authentication-Type`', () => ({
    'X-Gitlab-Authentication-Type': null,
  })),
  refused('wrong-authentication-type', '`X-Gitlab-Authentication-Type: token`', () => ({
    'X-Gitlab-Authentication-Type': 'token',
  })),
  {
    ...refused('no-instance-id', 'no `X-Gitlab-Instance-Id`', () => ({
      'X-Gitlab-Instance-Id': null,
    })),
    error: INSTANCE_MISMATCH,
  },
  {
    ...refused('wrong-instance-id', "another instance's `X-Gitlab-Instance-Id`", () => ({
      'X-Gitlab-Instance-Id': OF_ANOTHER,
    })),
    error: INSTANCE_MISMATCH,
  },
  {
    ...refused('instance-id-in-capitals', '`X-Gitlab-Instance-Id` in capital letters', (_, id) => ({
      'X-Gitlab-Instance-Id': id.toUpperCase(),
    })),
    error: INSTANCE_MISMATCH,
  },
  {
    ...refused('no-realm', 'no `X-Gitlab-Realm`', () => ({ 'X-Gitlab-Realm': null })),
    error: REALM_MISMATCH,
  },
  {
    ...refused('wrong-realm', '`X-Gitlab-Realm: saas` for a token that says otherwise', () => ({
      'X-Gitlab-Realm': 'saas',
    })),
    error: REALM_MISMATCH,
  },
  {
    ...refused('realm-in-capitals', '`X-Gitlab-Realm` in capital letters', () => ({
      'X-Gitlab-Realm': 'SELF-MANAGED',
    })),
    error: REALM_MISMATCH,
  },
  {
    name: 'no-optional-headers',
    what: 'neither `X-Gitlab-Host-Name` nor `X-Gitlab-Version`',
    expected: 'accept',
    changes: () => ({ 'X-Gitlab-Host-Name': null, 'X-Gitlab-Version': null }),
  },
  {
    name: 'scheme-in-small-letters',
    what: 'the scheme as `bearer` (RFC 9110 section 11.1: case does not matter)',
    expected: 'either',
    changes: (token) => ({ Authorization: `bearer ${token}` }),
  },
];

/** A good token of another realm. */
export const REALM_CASE = {
  name: 'header-realm-saas',
  what: 'a token of the realm `saas`, with the header that says so',
  expected: 'accept',
  realm: 'saas',
} as const;

function refused(name: string, what: string, changes: HeaderCase['changes']): HeaderCase {
  return { name: `header-${name}`, what, expected: 'refuse', changes };
}
