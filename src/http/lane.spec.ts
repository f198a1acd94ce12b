import { laneOf } from './lane.js';

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
