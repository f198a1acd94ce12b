export const ID = '00000000-0000-7000-8000-000000000000';
/** What GitLab instances call, without a token. */
export const INSTANCES = ['POST /graphql', 'POST /api/v1/seat_links'];
const PUBLIC = [
  ...['/.well-known/openid-configuration', '/oauth/discovery/keys', '/status/0'],
  ...['/oauth/discovery/auxiliary_keys', '/-/liveness', '/-/readiness', '/-/metrics'],
  ...['/api/docs', '/api/openapi.json', '/nowhere', '/api/docs/swagger-ui-bundle.js'],
].map((path) => `GET ${path}`);
const SEAT_LINK = ['license_key', 'hostname', 'timestamp', 'gitlab_version', 'instance_id'];
const GRAPHQL = ['query', 'variables', 'operationName'];

/** An operation by its method and a path, and the names of what it takes. */
export interface Operation {
  readonly name: string;
  readonly members: readonly string[];
  readonly parameters: readonly string[];
}

interface SchemaJson {
  readonly properties?: Readonly<Record<string, unknown>>;
}

interface OpenapiJson {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationJson>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, SchemaJson>> };
}

interface OperationJson {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema: { readonly $ref?: string } }>>;
  };
}

/** Those of the OpenAPI document, and those that stand in none. */
export async function readOperations(url: string): Promise<Operation[]> {
  const document = (await (await fetch(`${url}/api/openapi.json`)).json()) as OpenapiJson;
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody }]): Operation => {
      const schema = requestBody?.content['application/json']?.schema.$ref?.split('/').at(-1) ?? '';
      return {
        name: `${method.toUpperCase()} ${path.replaceAll(/\{(?:id|jti)\}/g, ID).replaceAll(/\{\w+\}/g, '1')}`,
        members: Object.keys(document.components.schemas[schema]?.properties ?? {}),
        parameters: parameters.filter((one) => one.in === 'query').map(({ name }) => name),
      };
    }),
  );
  const others = [...PUBLIC, ...INSTANCES, 'POST /nowhere'].map((name): Operation => {
    const members = name === 'POST /graphql' ? GRAPHQL : SEAT_LINK;
    return { name, members: INSTANCES.includes(name) ? members : [], parameters: [] };
  });
  return [...described, ...others];
}
