import { Allow } from 'class-validator';

const NO_MEMBER = Symbol('no member');

/** The body of an action without members: `{}` or nothing. */
export class EmptyBody {
  // class-validator refuses a class without any rule. This rule is for a member that no JSON can name.
  @Allow()
  readonly [NO_MEMBER]?: never;
}
