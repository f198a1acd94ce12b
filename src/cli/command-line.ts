/** Where a command writes: results to `out`, errors to `err`. */
export interface Output {
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
}

/** Runs a command with the arguments of this process, and exits with the status that it returns. */
export function runCommand(
  command: (args: readonly string[], output: Output) => Promise<number> | number,
): void {
  const run = async () => {
    process.exitCode = await command(process.argv.slice(2), {
      out: (line) => {
        console.log(line);
      },
      err: (line) => {
        console.error(line);
      },
    });
  };
  run().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
}
