import { Type } from 'class-transformer';
import { IsBoolean, Matches, ValidateNested } from 'class-validator';
import { type ErrorDetail, IssuerError } from '../platform/issuer-error.js';
import { bodyValidation, optionalBodyValidation, queryValidation } from './validation.js';
import { IsCount, IsText, MayBeAbsent } from './validators.js';

class Owner {
  @IsText(5)
  name!: string;
}

class Body {
  @IsText(5)
  @Matches(/^[a-z]*$/)
  name!: string;

  @MayBeAbsent()
  @IsCount()
  seats?: number;

  @MayBeAbsent()
  @IsBoolean()
  trial?: boolean;

  @MayBeAbsent()
  @ValidateNested()
  @Type(() => Owner)
  'owner/of~it'?: Owner;

  @MayBeAbsent()
  @ValidateNested({ each: true })
  @Type(() => Owner)
  owners?: Owner[];
}

class Query {
  @MayBeAbsent()
  @IsText(5)
  plan?: string;
}

type Pipe = typeof bodyValidation | typeof queryValidation;

async function transform(
  pipe: Pipe,
  value: unknown,
  metatype: typeof Body | typeof Query = Body,
): Promise<unknown> {
  const read: unknown = await pipe.transform(value, { type: 'body', metatype });
  return read;
}

async function faultsOf(
  pipe: Pipe,
  value: unknown,
  metatype: typeof Body | typeof Query = Body,
): Promise<readonly ErrorDetail[]> {
  const error: unknown = await transform(pipe, value, metatype).catch((e: unknown) => e);
  if (!(error instanceof IssuerError)) throw new Error('it was not refused');
  expect(error.code).toBe('VALIDATION_FAILED');
  return error.errors;
}

const UNKNOWN = 'is not a member that this request knows';
const NO_TEXT = 'must be a text of 1 to 5 characters without control characters';
const NO_COUNT = 'must be a whole number from 1 to 2147483647';

describe('a body', () => {
  it('becomes what the request knows, nested parts too', async () => {
    const body = { name: 'a', seats: 2, owners: [{ name: 'b' }] };
    const read = await transform(bodyValidation, body);
    expect(read).toBeInstanceOf(Body);
    expect(read).toMatchObject(body);
    expect(read).toHaveProperty(['owners', 0], expect.any(Owner));
  });

  it('is never coerced: a text is no number and no truth', async () => {
    const faults = await faultsOf(bodyValidation, { name: 7, seats: '1', trial: 'true' });
    expect(faults.map((fault) => 'pointer' in fault && fault.pointer)).toEqual([
      '#/name',
      '#/seats',
      '#/trial',
    ]);
  });

  it('is refused with every wrong or unknown member by name, one reason each', async () => {
    const body = { name: '', seats: 0, sets: 1, 'a/b~c': 1 };
    expect(await faultsOf(bodyValidation, body)).toEqual(
      expect.arrayContaining([
        { pointer: '#/name', detail: NO_TEXT },
        { pointer: '#/seats', detail: NO_COUNT },
        { pointer: '#/sets', detail: UNKNOWN },
        { pointer: '#/a~1b~0c', detail: UNKNOWN },
      ]),
    );
    expect(await faultsOf(bodyValidation, body)).toHaveLength(4);
  });

  it('points into nested parts as RFC 6901 does', async () => {
    const body = {
      name: 'a',
      'owner/of~it': { name: '', more: 1 },
      owners: [{ name: 'b' }, { name: '' }],
    };
    expect(await faultsOf(bodyValidation, body)).toEqual([
      { pointer: '#/owner~1of~0it/more', detail: UNKNOWN },
      { pointer: '#/owner~1of~0it/name', detail: NO_TEXT },
      { pointer: '#/owners/1/name', detail: NO_TEXT },
    ]);
  });

  it('is refused with no more of its names than a short answer has room for', async () => {
    const names = Array.from({ length: 200 }, (_, n) => `${n}${'x'.repeat(1000)}`);
    const body = Object.fromEntries(names.map((name) => [name, 1]));
    for (const faulty of [body, { ...body, toString: 1 }]) {
      const faults = await faultsOf(bodyValidation, faulty);
      expect(faults.length).toBeLessThanOrEqual(100);
      expect(JSON.stringify(faults).length).toBeLessThan(20_000);
    }
    expect(await faultsOf(bodyValidation, { name: 'a', ['/'.repeat(150)]: 1 })).toEqual([
      { pointer: `#/${'~1'.repeat(100)}…`, detail: UNKNOWN },
    ]);
  });

  it('is refused without its values, which may be secrets', async () => {
    const faults = await faultsOf(bodyValidation, { name: 'a secret', key: 'another secret' });
    expect(JSON.stringify(faults)).not.toContain('secret');
  });

  it.each([
    ['a list', []],
    ['a list of bodies', [{ name: 'a' }]],
    ['a text', 'name'],
    ['a number', 7],
    ['null', null],
    ['nothing', undefined],
  ])('has to be an object, not %s', async (_what, body) => {
    expect(await faultsOf(bodyValidation, body)).toEqual([
      { pointer: '#', detail: 'must be a JSON object' },
    ]);
  });
});

describe('the body of an action', () => {
  it('may be left out, and has to be right when it is there', async () => {
    expect(await transform(optionalBodyValidation, undefined, Query)).toEqual({});
    expect(await transform(optionalBodyValidation, null, Query)).toEqual({});
    expect(await transform(optionalBodyValidation, { plan: 'a' }, Query)).toEqual({ plan: 'a' });
    expect(await faultsOf(optionalBodyValidation, { plam: 'a' }, Query)).toEqual([
      { pointer: '#/plam', detail: UNKNOWN },
    ]);
    expect(await faultsOf(optionalBodyValidation, 'plan', Query)).toHaveLength(1);
  });
});

describe('a query', () => {
  it('has parameters, not members', async () => {
    expect(await transform(queryValidation, { plan: 'a' }, Query)).toEqual({ plan: 'a' });
    expect(await faultsOf(queryValidation, { plan: '', plam: 'a' }, Query)).toEqual(
      expect.arrayContaining([
        { parameter: 'plan', detail: NO_TEXT },
        { parameter: 'plam', detail: UNKNOWN },
      ]),
    );
  });

  it('is refused as a whole when it has more parameters than any request knows', async () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`${n}${'x'.repeat(200)}`, '']));
    const faults = await faultsOf(queryValidation, many(50), Query);
    expect(faults).toHaveLength(50);
    expect(faults).toContainEqual({ parameter: `0${'x'.repeat(99)}…`, detail: UNKNOWN });
    expect(await faultsOf(queryValidation, many(51), Query)).toEqual([]);
  });

  it('has each parameter once', async () => {
    const twice = [{ parameter: 'plan', detail: 'is given more than once: send it once' }];
    for (const given of [
      ['a', 'b'],
      ['a', 'a'],
      ['', ''],
    ]) {
      expect(await faultsOf(queryValidation, { plan: given }, Query)).toEqual(twice);
    }
  });
});
