/**
 * For `node --import`: an error escapes from a process that runs the code of production, since nothing
 * in that code can be made to fail from outside. SIGUSR2 says when, the variable ESCAPE how.
 */
const escapes = {
  throws: () => {
    throw new Error('escaped from a timer', { cause: new Error('the cause of it') });
  },
  rejects: () => {
    Promise.reject(new Error('escaped from a promise'));
  },
};
const { ESCAPE, ESCAPE_AGAIN_MS } = process.env;
const escape = escapes[ESCAPE];

process.on('SIGUSR2', () => {
  setTimeout(escape);
  if (ESCAPE_AGAIN_MS !== undefined) setInterval(escape, Number(ESCAPE_AGAIN_MS));
});
