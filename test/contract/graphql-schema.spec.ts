import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

/** What every generation of clients may select: a field that were missing would fail its sync. */
const SDL = [
  'scalar JSON',
  'type AvailableService { name: String!  serviceStartTime: String  bundledWith: [String!] }',
  'input CloudActivationActivateInput { activationCode: String!  instanceIdentifier: String!  uniqueInstanceId: String  automated: Boolean!  gitlabVersion: String!  hostname: String! }',
  'type CloudActivationActivatePayload { licenseKey: String  futureSubscriptions: [FutureSubscription!]  newSubscription: Boolean  errors: [String!] }',
  'type FutureSubscription { cloudLicenseEnabled: Boolean  offlineCloudLicenseEnabled: Boolean  plan: String  company: String  email: String  name: String  startsAt: String  expiresAt: String  usersInLicenseCount: Int }',
  'type Mutation { cloudActivationActivate(input: CloudActivationActivateInput!): CloudActivationActivatePayload }',
  'type CloudConnectorAccess { serviceToken: ServiceToken  availableServices: [AvailableService!]  catalog: JSON }',
  'type Query { cloudConnectorAccess(licenseKey: String!, gitlabVersion: String!): CloudConnectorAccess }',
  'type ServiceToken { token: String  expiresAt: String }',
];

interface TypeJson {
  readonly kind: string;
  readonly name: string | null;
  readonly ofType?: TypeJson | null;
}

interface FieldJson {
  readonly name: string;
  readonly type: TypeJson;
  readonly args?: readonly FieldJson[];
}

interface NamedTypeJson {
  readonly kind: string;
  readonly name: string;
  readonly fields: readonly FieldJson[] | null;
  readonly inputFields: readonly FieldJson[] | null;
}

interface SchemaJson {
  readonly queryType: { readonly name: string };
  readonly types: readonly { readonly name: string }[];
}

describe('the GraphQL schema', () => {
  let issuer: TestIssuer;

  beforeAll(async () => {
    issuer = await startTestIssuer();
  });
  afterAll(() => issuer.stop());

  async function ask(query: string): Promise<unknown> {
    const response = await fetch(`${issuer.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    return ((await response.json()) as { data: unknown }).data;
  }

  it('is exactly the one that instances know', async () => {
    const { __schema } = (await ask('{ __schema { queryType { name } types { name } } }')) as {
      __schema: SchemaJson;
    };
    expect(__schema.queryType.name).toBe('Query');
    const names = __schema.types.map(({ name }) => name);
    const own = names.filter((name) => !/^__|^(String|Boolean|Int|Float|ID)$/.test(name));
    expect(await Promise.all(own.sort().map(sdlOf))).toEqual([...SDL].sort(byName));
  });

  async function sdlOf(typeName: string): Promise<string> {
    const answer = await ask(`{ __type(name: "${typeName}") { kind name fields { name
      args { name type { kind name ofType { kind name } } }
      type { kind name ofType { kind name ofType { kind name } } } }
      inputFields { name type { kind name ofType { kind name } } } } }`);
    const { kind, name, fields, inputFields } = (answer as { __type: NamedTypeJson }).__type;
    if (inputFields) return `input ${name} { ${inputFields.map(fieldOf).join('  ')} }`;
    return fields
      ? `type ${name} { ${fields.map(fieldOf).join('  ')} }`
      : `${kind.toLowerCase()} ${name}`;
  }
});

function byName(one: string, other: string): number {
  const nameOf = (line: string) => line.split(' ')[1] ?? '';
  return nameOf(one) < nameOf(other) ? -1 : 1;
}

function fieldOf({ name, type, args = [] }: FieldJson): string {
  const inside = args.map(fieldOf).join(', ');
  return `${name}${inside ? `(${inside})` : ''}: ${typeOf(type)}`;
}

function typeOf({ kind, name, ofType }: TypeJson): string {
  if (kind === 'NON_NULL' && ofType) return `${typeOf(ofType)}!`;
  if (kind === 'LIST' && ofType) return `[${typeOf(ofType)}]`;
  return String(name);
}
