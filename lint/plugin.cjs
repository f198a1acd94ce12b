'use strict';

/** The rules of this repository, for eslint.config.mjs. */
module.exports = {
  meta: { name: 'local' },
  rules: {
    'no-lookup-by-text': require('./no-lookup-by-text.cjs'),
  },
};
