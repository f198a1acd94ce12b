import type { FeatureUser, InstanceClient } from 'cloud-connector-instance';
import express, { type Express, type Request, type RequestHandler, type Response } from 'express';
import { askBackend } from './ask-backend.js';

export interface InstanceOptions {
  readonly client: InstanceClient;
  readonly backendUrl: string;
  /** The instance's users by name, with the add-on seats that an admin has assigned to them. */
  readonly users: ReadonlyMap<string, FeatureUser>;
}

/** Each feature needs one unit primitive. A path of the backend does the work. */
const FEATURES = [
  { name: 'chat', unitPrimitive: 'duo_chat', backendPath: '/v1/chat' },
  { name: 'summaries', unitPrimitive: 'summarize_comments', backendPath: '/v1/summaries' },
  { name: 'amazon-q', unitPrimitive: 'amazon_q_integration', backendPath: '/v1/amazon-q' },
] as const;

/** An instance with three features: a page that lists them, and a route for each. */
export function createInstance({ client, backendUrl, users }: InstanceOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(signIn(users));

  app.get('/features', async (_request: Request, response: Response) => {
    const user = signedIn(response);
    const entries = FEATURES.map(async ({ name, unitPrimitive }) => ({
      feature: name,
      ...(await client.allowedToUse(user, unitPrimitive)),
    }));
    response.json(await Promise.all(entries));
  });

  for (const { name, unitPrimitive, backendPath } of FEATURES) {
    app.post(`/${name}`, async (_request: Request, response: Response) => {
      const user = signedIn(response);
      const { allowed, reason, addOns } = await client.allowedToUse(user, unitPrimitive);
      if (!allowed) {
        response.status(403).json({ error: `${name} is not available to you`, reason, addOns });
        return;
      }
      const headers = await client.headers({ userId: user.id, unitPrimitive });
      const { status, body } = await askBackend(`${backendUrl}${backendPath}`, headers);
      response.status(status).json(body);
    });
  }
  return app;
}

/** A stand-in for sessions: the header names the user. A real instance looks at a cookie here. */
function signIn(users: InstanceOptions['users']): RequestHandler {
  return (request, response, next) => {
    const user = users.get(request.get('x-example-user') ?? '');
    if (user) {
      response.locals['user'] = user;
      next();
    } else {
      response.status(401).json({ error: 'sign in first: name a user in X-Example-User' });
    }
  };
}

function signedIn(response: Response): FeatureUser {
  return response.locals['user'] as FeatureUser;
}
