'use strict';

/** The rules of this repository, for eslint.config.mjs. */
module.exports = {
  meta: { name: 'local' },
  rules: {
    'guarded-listeners': require('./guarded-listeners.cjs'),
    'no-lookup-by-text': require('./no-lookup-by-text.cjs'),
  },
};
