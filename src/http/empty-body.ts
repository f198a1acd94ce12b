import { Allow } from 'class-validator';

const NO_MEMBER = Symbol('no member');

/** The body of an action that takes none: `{}`, or nothing at all. */
export class EmptyBody {
  // class-validator refuses a class without any rule, even where nothing was sent: this one is for
  // a member that no JSON can name.
  @Allow()
  readonly [NO_MEMBER]?: never;
}
