/**
 * Runs a check, and prints a line with its result.
 *
 * @param {string} sentence that states what holds if `body` does not throw
 * @param {() => Promise<void>} body
 */
export async function check(sentence, body) {
  try {
    await body();
    console.log(`ok ${sentence}`);
  } catch (error) {
    console.log(`FAILED ${sentence}: ${error.message.replace(/\s+/g, ' ')}`);
    process.exitCode = 1;
  }
}
