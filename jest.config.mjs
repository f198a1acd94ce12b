/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/src', '<rootDir>/config', '<rootDir>/test', '<rootDir>/packages'],
  testMatch: ['**/*.spec.ts'],
  // Source imports carry the `.js` of the compiled file, as ES modules need it.
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    // The examples import packages by their names; specs need no build of them.
    '^cloud-connector-(\\w+)$': '<rootDir>/packages/cloud-connector-$1/src/index.ts',
  },
  transform: {
    '^.+\\.[jt]s$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2023',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
        module: { type: 'commonjs' },
      },
    ],
  },
  // ES modules only, or (mercurius) importing one on the way.
  transformIgnorePatterns: [
    '/node_modules/(?!(jose|openid-client|oauth4webapi|mercurius|quick-lru)/)',
  ],
  globalSetup: '<rootDir>/test/support/start-test-postgres.ts',
  setupFiles: ['<rootDir>/test/support/ready-made-keys.ts'],
  globalTeardown: '<rootDir>/test/support/stop-test-postgres.ts',
  // One more than the smallest machine that runs them has cores: much of their time is waiting.
  maxWorkers: 3,
  // A worker keeps what its spec files leave behind; a new one costs less than the collector.
  workerIdleMemoryLimit: '1GB',
  testTimeout: 30_000,
};
