// The theme: the system's, or a choice that the browser keeps.

const KEY = 'tsr-theme';
const CHOICES = ['system', 'light', 'dark'];

/** Have a button go through the choices. */
export function keepTheme(button) {
  let choice = CHOICES.includes(kept()) ? kept() : 'system';
  const apply = () => {
    document.documentElement.dataset.theme = choice;
    button.textContent = `Theme: ${choice}`;
  };
  apply();
  button.addEventListener('click', () => {
    choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
    keep(choice);
    apply();
  });
}

// A browser can refuse its storage to a file: then the choice lasts as long as the page.

function kept() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return undefined;
  }
}

function keep(choice) {
  try {
    localStorage.setItem(KEY, choice);
  } catch {
    // as said above
  }
}
