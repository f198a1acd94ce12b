const SYNC = `query cloudConnectorAccess($licenseKey: String!, $gitlabVersion: String!) {
  cloudConnectorAccess(licenseKey: $licenseKey, gitlabVersion: $gitlabVersion) {
    serviceToken { token expiresAt }
  }
}`;

type Json = Readonly<Record<string, unknown>>;

/** The two callers of the demo: an admin and a GitLab instance. */
export class DemoClient {
  constructor(
    private readonly url: string,
    private readonly adminToken: string,
  ) {}

  /** Calls the admin API and prints the request. */
  async admin(method: string, path: string, body?: Json): Promise<Json> {
    console.log(`${method} /api/v1/${path}${body ? ` ${JSON.stringify(body)}` : ''}`);
    const response = await fetch(`${this.url}/api/v1/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.adminToken}`,
        ...(body ? { 'content-type': 'application/json' } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const answer = asJson(await response.json());
    if (!response.ok) throw new Error(`${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }

  /** The issuer's decision about one unit primitive, as JSON. */
  async decision(licenseId: string, unitPrimitive: string): Promise<string> {
    const path = `licenses/${licenseId}/entitlements?gitlab_version=18.5.0`;
    const { decisions } = await this.admin('GET', path);
    const all: unknown[] = Array.isArray(decisions) ? decisions : [];
    return JSON.stringify(all.find((one) => asJson(one)['unit_primitive'] === unitPrimitive));
  }

  async sync(
    licenseKey: string,
    instanceId: string,
  ): Promise<{ readonly token: string; readonly expiresAt: string }> {
    const { data } = await this.post(licenseKey, instanceId);
    const serviceToken = asJson(asJson(asJson(data)['cloudConnectorAccess'])['serviceToken']);
    return { token: String(serviceToken['token']), expiresAt: String(serviceToken['expiresAt']) };
  }

  /** Syncs, and returns the code of the denial. */
  async deniedSync(licenseKey: string, instanceId: string): Promise<string> {
    const { errors } = await this.post(licenseKey, instanceId);
    const all: unknown[] = Array.isArray(errors) ? errors : [];
    return String(asJson(asJson(all[0])['extensions'])['code']);
  }

  private async post(licenseKey: string, instanceId: string): Promise<Json> {
    const variables = { licenseKey, gitlabVersion: '18.5.0' };
    const response = await fetch(`${this.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-gitlab-instance-id': instanceId },
      body: JSON.stringify({ query: SYNC, variables }),
    });
    return asJson(await response.json());
  }
}

function asJson(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}
