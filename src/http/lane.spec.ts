import { laneOf } from './lane.js';
import { usualUrl } from './usual-url.js';

describe('laneOf', () => {
  it.each([
    ['/.well-known/openid-configuration', 'documents'],
    ['/oauth/discovery/keys', 'documents'],
    ['/oauth/discovery/keys?a=/graphql', 'documents'],
    ['/status/0', 'others'],
    ['/-/metrics', 'metrics'],
    ['/-/liveness', 'documents'],
    ['/-/readiness', 'documents'],
    ['/graphql', 'instances'],
    ['/graphql?a=1', 'instances'],
    ['/graphql#a', 'instances'],
    ['/api/v1/seat_links', 'instances'],
    ['/api/v1/licenses', 'others'],
    ['/api/docs', 'others'],
    ['/', 'others'],
    ['', 'others'],
    ['/constructor', 'others'],
    ['/a/-/b', 'others'],
  ])('puts %s into the lane of %s', (url, lane) => {
    expect(laneOf(url)).toBe(lane);
  });
});

describe('usualUrl', () => {
  it.each([
    ['//graphql', '/graphql'],
    ['/graphql/', '/graphql'],
    ['///graphql///?a=//b/', '/graphql?a=//b/'],
    ['//api//v1/seat_links/', '/api/v1/seat_links'],
    ['//.well-known//openid-configuration', '/.well-known/openid-configuration'],
    ['/oauth/discovery/keys/', '/oauth/discovery/keys'],
    ['//status/0', '/status/0'],
    ['//-//readiness/', '/-/readiness'],
    ['http://issuer/graphql?a=1', '/graphql?a=1'],
    ['HTTPS://issuer:443//graphql/', '/graphql'],
    ['http://issuer', '/'],
    ['http://issuer?a', '/?a'],
    ['/%67raph%71l#%67', '/graphql#%67'],
    ['/-/m%65trics', '/-/metrics'],
    ['/api/v1/licenses/%2d%5F%7e%41%2F', '/api/v1/licenses/-_~A%2F'],
    ['/%2567raphql', '/%2567raphql'],
  ])('writes %s as most clients do', (url, usual) => {
    expect(usualUrl(url)).toBe(usual);
  });

  it.each([
    '/graphql',
    '/graphql?a=//',
    '//api/v1/licenses',
    '/api/v1/licenses//revoke',
    '/api/v1/licenses/',
    '/api/v1/seat_links//x',
    '//-/metrics',
    '//graphql.example.com/x',
    '/graphql?a=http://issuer/%67',
    '/http://issuer/graphql',
    'ftp://issuer/graphql',
    '*',
    '//',
    '/',
    '',
    '/%2Fgraphql',
    '/\\graphql/',
  ])('leaves %s as it is', (url) => {
    expect(usualUrl(url)).toBe(url);
  });

  it('takes no longer for many slashes', () => {
    expect(usualUrl(`${'/'.repeat(16_000)}x`)).toHaveLength(16_001);
  });
});
