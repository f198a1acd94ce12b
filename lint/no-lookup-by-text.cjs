'use strict';

const ts = require('typescript');

/**
 * A plain object also answers to `constructor`, `toString` and every other name of Object.prototype,
 * and `__proto__` changes the object instead of adding a member. So text from outside must never
 * choose a member. The rule looks at the type of the name: a union of literals is fine, since the code
 * lists those names itself; `string` may be anything.
 *
 * @type {import('eslint').Rule.RuleModule}
 */
module.exports = {
  meta: {
    type: 'problem',
    docs: { description: 'Forbid to choose a member of an object by arbitrary text' },
    messages: {
      lookup: 'Text chooses a member here, and "constructor" is one of every object: use a Map.',
      in: 'Text is looked up with `in`, which finds "constructor" in every object: use a Map, a Set or Object.hasOwn.',
      assign: 'Object.assign follows "__proto__": spread the members instead.',
    },
    schema: [],
  },
  create(context) {
    const { program, getTypeAtLocation } = context.sourceCode.parserServices;
    const checker = program.getTypeChecker();
    const typeOf = (node) => getTypeAtLocation(node);
    const report = (node, messageId) => context.report({ node, messageId });

    return {
      MemberExpression(node) {
        if (node.computed && mayBeAnyText(typeOf(node.property))) report(node, 'lookup');
      },
      'ObjectPattern > Property[computed=true]'(node) {
        if (mayBeAnyText(typeOf(node.key))) report(node, 'lookup');
      },
      "BinaryExpression[operator='in']"(node) {
        if (mayBeAnyText(typeOf(node.left))) report(node, 'in');
      },
      "CallExpression[callee.object.name='Reflect'][callee.property.name=/^(get|set|has)$/]"(node) {
        if (mayBeAnyText(typeOf(node.arguments[1]))) report(node, 'lookup');
      },
      "CallExpression[callee.object.name='Object'][callee.property.name='assign']"(node) {
        if (node.arguments.slice(1).some((source) => hasAnyNames(typeOf(source)))) {
          report(node, 'assign');
        }
      },
    };

    function mayBeAnyText(type) {
      if (type.isUnion()) return type.types.some(mayBeAnyText);
      if (type.isIntersection()) return type.types.every(mayBeAnyText);
      // `keyof T`: a name that the type has, or the compiler complains.
      if ((type.flags & ts.TypeFlags.Index) !== 0) return false;
      const constraint = checker.getBaseConstraintOfType(type);
      if (constraint !== undefined && constraint !== type) return mayBeAnyText(constraint);
      const text = ts.TypeFlags.String | ts.TypeFlags.TemplateLiteral | ts.TypeFlags.StringMapping;
      return (type.flags & (text | ts.TypeFlags.Any | ts.TypeFlags.Unknown)) !== 0;
    }

    function hasAnyNames(type) {
      if (type.isUnion()) return type.types.some(hasAnyNames);
      if ((type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) !== 0) return true;
      return checker.getIndexInfoOfType(type, ts.IndexKind.String) !== undefined;
    }
  },
};
