import eslint from '@eslint/js';
import tseslint from 'typescript-eslint';
import local from './lint/plugin.cjs';

/** The wall clock stands in one file; everything else takes `now` as an argument or asks `Clock`. */
const wallClock = {
  'no-restricted-syntax': [
    'error',
    {
      selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']",
      message: 'Ask the injected Clock (src/platform/clock.ts).',
    },
    {
      selector: "NewExpression[callee.name='Date'][arguments.length=0]",
      message: 'Ask the injected Clock (src/platform/clock.ts).',
    },
    {
      selector: "MemberExpression[object.name='process'][property.name='env']",
      message: 'config/app-config.ts is the only reader of the environment.',
    },
  ],
};

export default tseslint.config(
  { ignores: ['**/dist', '.data', 'node_modules', 'coverage'] },
  {
    files: ['**/*.ts'],
    extends: [eslint.configs.recommended, ...tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      // DTOs and GraphQL types are shapes that decorators describe: plain objects fill them.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
  {
    files: ['src/**/*.ts', 'config/**/*.ts', 'packages/*/src/**/*.ts'],
    ignores: [
      '**/*.spec.ts',
      'src/platform/clock.ts',
      'packages/*/src/clock.ts',
      'packages/*/src/environment-proxy.ts',
      'config/app-config.ts',
    ],
    rules: {
      ...wallClock,
      'max-lines': ['error', 250],
      'max-lines-per-function': ['error', { max: 40, skipComments: true, skipBlankLines: true }],
    },
  },
  {
    files: ['src/**/*.ts', 'config/**/*.ts', 'packages/*/src/**/*.ts', 'examples/*/src/**/*.ts'],
    ignores: ['**/*.spec.ts'],
    plugins: { local },
    rules: {
      'local/guarded-listeners': 'error',
      'local/no-lookup-by-text': 'error',
      'no-restricted-properties': [
        'error',
        { property: 'ip', message: 'Ask request.clientAddress (src/http/client-address.ts).' },
      ],
      // `void` would let a rejection end the process; a reply is only thenable, and never rejects.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          ignoreVoid: false,
          allowForKnownSafePromises: [
            { from: 'package', package: 'fastify', name: 'FastifyReply' },
          ],
        },
      ],
    },
  },
  // A spec tells one story whole, however long that is.
  { files: ['test/**/*.ts'], ignores: ['**/*.spec.ts'], rules: { 'max-lines': ['error', 250] } },
  {
    files: ['src/cli/**/*.ts', 'bench/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
);
