import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../node_modules/.bin/', import.meta.url));

/**
 * Runs a program of an npm package to its end, at most a minute, without standard input.
 *
 * @param {string} name of the program
 * @param {string[]} args
 * @returns {Promise<{ status: number, stdout: string, stderr: string }>}
 */
export function run(name, args) {
  return new Promise((resolve, reject) => {
    const options = { timeout: 60_000 };
    const child = execFile(FOLDER + name, args, options, (error, stdout, stderr) => {
      if (error?.killed) reject(new Error(`${name} did not end within a minute`));
      else if (error && typeof error.code !== 'number') reject(error);
      else resolve({ status: error?.code ?? 0, stdout, stderr });
    });
    child.stdin.end();
  });
}
