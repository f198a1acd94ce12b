/** Whether the operating system refused something with this code (`ENOENT`, say). */
export function hasErrno(error: unknown, code: string): boolean {
  return errnoOf(error) === code;
}

/**
 * What keeps a file from being read or written, and what to do about it, as part of a sentence.
 * Null for an error that says nothing about files and disks.
 */
export function fileTrouble(error: unknown, folder: string): string | null {
  const path = pathOf(error) ?? folder;
  switch (errnoOf(error)) {
    case 'ENOSPC':
      return noSpaceLeft(folder);
    case 'EDQUOT':
      return `the disk quota is used up: free space in ${folder}, or raise the quota`;
    case 'EROFS':
      return `the file system is read-only: mount ${folder} so that it can be written`;
    case 'EACCES':
    case 'EPERM':
      return `permission denied: let ${processUser()} read and write ${path}`;
    case 'EIO':
      return `the disk under ${path} fails (EIO): look at the kernel's log`;
    case 'EMFILE':
    case 'ENFILE':
      return 'too many open files: raise the limit (ulimit -n)';
    default:
      return null;
  }
}

export function noSpaceLeft(folder: string): string {
  return `no space left on device: free space in ${folder}`;
}

function processUser(): string {
  return `the user that the service runs as (uid ${process.getuid?.() ?? 'unknown'})`;
}

/** By its shape: an error of `node:fs` need not be an `Error` of this realm. */
function errnoOf(error: unknown): string | null {
  const code: unknown = isObject(error) ? Reflect.get(error, 'code') : null;
  return typeof code === 'string' ? code : null;
}

function pathOf(error: unknown): string | null {
  const path: unknown = isObject(error) ? Reflect.get(error, 'path') : null;
  return typeof path === 'string' ? path : null;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
