import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

interface OpenapiJson {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationJson>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, SchemaJson>>;
    readonly securitySchemes: unknown;
  };
}

interface OperationJson {
  readonly description?: string;
  readonly requestBody?: { readonly required?: boolean; readonly content: object };
}

interface SchemaJson {
  readonly properties?: Readonly<Record<string, object>>;
}

describe('the OpenAPI document', () => {
  let issuer: TestIssuer;
  let document: OpenapiJson;

  beforeAll(async () => {
    issuer = await startTestIssuer();
    document = (await (await fetch(`${issuer.url}/api/openapi.json`)).json()) as OpenapiJson;
  });
  afterAll(() => issuer.stop());

  const property = (schema: string, name: string) =>
    document.components.schemas[schema]?.properties?.[name];

  it('lists the reasons of a decision', () => {
    expect(property('DecisionView', 'reason')).toMatchObject({
      type: 'string',
      enum: [
        'FREE',
        'ADD_ON_PURCHASED',
        'NO_AUDIENCE',
        'PLAN_NOT_ELIGIBLE',
        'GITLAB_VERSION_TOO_OLD',
        'PURCHASE_NOT_STARTED',
        'PURCHASE_EXPIRED',
        'NO_ACTIVE_PURCHASE',
      ],
    });
  });

  it.each([
    ['revoke', 'RevokeLicenseBody'],
    ['reinstate', 'EmptyBody'],
    ['replace_key', 'ReplaceLicenseKeyBody'],
  ])('lets the body of %s be left out', (action, body) => {
    const operation = document.paths[`/api/v1/licenses/{id}/${action}`]?.['post'];
    expect(operation?.requestBody).toEqual({
      required: false,
      content: { 'application/json': { schema: { $ref: `#/components/schemas/${body}` } } },
    });
  });

  it('knows of no member in the body of a reinstatement', () => {
    expect(document.components.schemas['EmptyBody']).toEqual({
      type: 'object',
      properties: {},
    });
  });

  it.each([
    ['CreateLicenseBody', 'seats'],
    ['UpdateLicenseBody', 'seats'],
    ['LicenseView', 'seats'],
    ['AddOnPurchaseView', 'quantity'],
    ['CreateAddOnPurchaseBody', 'quantity'],
    ['UpdateAddOnPurchaseBody', 'quantity'],
  ])('counts in %s the %s in whole numbers', (schema, name) => {
    expect(property(schema, name)).toMatchObject({ type: 'integer' });
  });

  it('promises no format of the bearer token: it is opaque', () => {
    expect(document.components.securitySchemes).toEqual({
      bearer: { type: 'http', scheme: 'bearer' },
    });
  });

  it('says on which records the entitlements of another day are evaluated', () => {
    const operation = document.paths['/api/v1/licenses/{id}/entitlements']?.['get'];
    expect(operation?.description).toContain('as they stand today');
  });
});
