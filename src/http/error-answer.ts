import type { IssuerError } from '../platform/issuer-error.js';
import { graphqlErrorOf, problemOf, seatLinkErrorOf } from './error-faces.js';
import { pathOf } from './usual-url.js';

/** An error as HTTP. */
export interface ErrorAnswer {
  readonly status: number;
  readonly contentType: 'application/json' | 'application/problem+json';
  readonly body: Buffer;
}

type Face = 'graphql' | 'problem' | 'seatLink';

/** GitLab instances call these paths. They do not understand problem+json. */
const FACE_BY_PATH: ReadonlyMap<string, Face> = new Map([
  ['/graphql', 'graphql'],
  ['/api/v1/seat_links', 'seatLink'],
]);

/** Each endpoint's callers get errors in the form that they understand. */
export function answerTo(error: IssuerError, url: string): ErrorAnswer {
  return render(error, faceOf(url));
}

/** A refusal that is the same for every request: it is rendered once for each face. */
export class FixedAnswer {
  private readonly answers: Readonly<Record<Face, ErrorAnswer>>;

  constructor(error: IssuerError) {
    this.answers = {
      graphql: render(error, 'graphql'),
      problem: render(error, 'problem'),
      seatLink: render(error, 'seatLink'),
    };
  }

  at(url: string): ErrorAnswer {
    return this.answers[faceOf(url)];
  }
}

function faceOf(url: string): Face {
  return FACE_BY_PATH.get(pathOf(url)) ?? 'problem';
}

function render(error: IssuerError, face: Face): ErrorAnswer {
  if (face === 'problem') {
    const body = Buffer.from(JSON.stringify(problemOf(error)));
    return { status: error.status, contentType: 'application/problem+json', body };
  }
  const { status, body } = face === 'graphql' ? graphqlErrorOf(error) : seatLinkErrorOf(error);
  return { status, contentType: 'application/json', body: Buffer.from(JSON.stringify(body)) };
}
