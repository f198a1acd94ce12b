'use strict';

const LISTEN = /^(on|once|addListener|prependListener|prependOnceListener|addEventListener)$/;
const TIMERS = /^(setTimeout|setInterval|setImmediate|queueMicrotask)$/;

/**
 * Nobody waits for the listener of an event or the callback of a timer, so an exception in it ends the
 * process. It must be `guarded(...)` (src/platform/guarded.ts), a constant or a readonly member that is, or
 * a function that cannot fail: it does nothing, only settles the promise around it, or ends with `.catch`.
 *
 * @type {import('eslint').Rule.RuleModule}
 */
module.exports = {
  meta: {
    type: 'problem',
    docs: { description: 'Require a guard around every listener and callback of a timer' },
    messages: { unguarded: 'An exception in here would end the process: wrap it in guarded(...).' },
    schema: [],
  },
  create(context) {
    const { program, getTypeAtLocation } = context.sourceCode.parserServices;
    const checker = program.getTypeChecker();

    return {
      CallExpression(node) {
        const listener = listenerOf(node);
        if (listener && !isGuarded(listener) && !isHarmless(listener)) {
          context.report({ node: listener, messageId: 'unguarded' });
        }
      },
    };

    function listenerOf({ callee, arguments: given }) {
      if (callee.type === 'Identifier') return TIMERS.test(callee.name) ? given[0] : null;
      if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier') return null;
      const { object, property } = callee;
      if (object.name === 'process' && property.name === 'nextTick') return given[0];
      return LISTEN.test(property.name) && emits(object) ? given[1] : null;
    }

    function emits(object) {
      const type = checker.getApparentType(getTypeAtLocation(object));
      return ['emit', 'dispatchEvent'].some((name) => checker.getPropertyOfType(type, name));
    }

    function isGuarded(listener) {
      if (isOwnMember(listener)) return isGuardedMember(listener);
      return isGuardCall(listener.type === 'Identifier' ? valueOf(listener) : listener);
    }

    /** Whether the constructor assigns `this.x = guarded(...)`, and nothing else is ever assigned. */
    function isGuardedMember(listener) {
      const { body } = context.sourceCode
        .getAncestors(listener)
        .findLast(({ type }) => type === 'ClassBody');
      const constructor = body.find(({ kind }) => kind === 'constructor');
      const isReadonly = body.some(
        ({ type, readonly, key }) =>
          type === 'PropertyDefinition' && readonly && key.name === listener.property.name,
      );
      const isAssigned = constructor?.value.body.body.some(
        ({ expression }) =>
          expression?.type === 'AssignmentExpression' &&
          isOwnMember(expression.left) &&
          expression.left.property.name === listener.property.name &&
          isGuardCall(expression.right),
      );
      return isReadonly && isAssigned === true;
    }

    /** What a constant was declared with. */
    function valueOf({ name, parent }) {
      for (let scope = context.sourceCode.getScope(parent); scope; scope = scope.upper) {
        const variable = scope.set.get(name);
        if (variable) return variable.defs[0]?.node.init;
      }
      return undefined;
    }

    function isHarmless(listener) {
      if (isSettling(listener, listener)) return true;
      if (listener.type !== 'ArrowFunctionExpression') return false;
      const body = onlyExpressionOf(listener.body);
      if (body === null) return false;
      if (body.type === 'Identifier' && body.name === 'undefined') return true;
      if (body.type !== 'CallExpression') return false;
      return isSettling(body.callee, listener) || body.callee.property?.name === 'catch';
    }

    /** Whether `node` is `resolve` or `reject` of a `new Promise((resolve, reject) => ...)` around it. */
    function isSettling(node, listener) {
      if (node.type !== 'Identifier') return false;
      return context.sourceCode
        .getAncestors(listener)
        .some(
          (around) =>
            around.type === 'ArrowFunctionExpression' &&
            around.parent.type === 'NewExpression' &&
            around.parent.callee.name === 'Promise' &&
            around.params.some(({ name }) => name === node.name),
        );
    }
  },
};

function isGuardCall(node) {
  return node?.type === 'CallExpression' && node.callee.name === 'guarded';
}

function isOwnMember(node) {
  return node.type === 'MemberExpression' && node.object.type === 'ThisExpression';
}

function onlyExpressionOf(body) {
  if (body.type !== 'BlockStatement') return body;
  const [only, ...others] = body.body;
  return others.length === 0 && only?.type === 'ExpressionStatement' ? only.expression : null;
}
