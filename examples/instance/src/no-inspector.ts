/** To be imported first: at SIGUSR1 Node opens its inspector, to every user of the machine. */
process.on('SIGUSR1', () => undefined);
