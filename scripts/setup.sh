# Sourced by the scripts beside it: `set_up EXTRAS` makes `.venv` at the root of the repository and
# installs the package there, with the versions of constraints.txt.
#
# A stamp in `.venv` records what is installed, so that the second time costs nothing.  It is
# written last: an interrupted installation has none and is repeated.

# Python 3.11 or newer, able to make environments.
readonly _usable='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'

# Prints the first Python that can be used.  To find one it is run: version managers leave
# commands that only say that no version is chosen.
_find_python() {
    local candidate tried=()
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c "$_usable" </dev/null >/dev/null 2>&1; then
            command -v -- "$candidate"
            return
        fi
        tried+=("$candidate")
    done
    echo "No usable Python among: ${tried[*]}." >&2
    echo "jaccli needs Python 3.11 or newer with its venv module (Debian: python3-venv);" >&2
    echo "name one with PYTHON=/path/to/python." >&2
    return 1
}

# Prints a digest of all that decides what is installed; the root is part of it because the
# commands in .venv/bin hold its path.
_fingerprint() {
    .venv/bin/python - "$PWD" pyproject.toml constraints.txt <<'PYTHON'
import hashlib, pathlib, sys

digest = hashlib.sha256(f"{sys.version}\n{sys.argv[1]}\n".encode())
for name in sys.argv[2:]:
    digest.update(pathlib.Path(name).read_bytes())
print(digest.hexdigest())
PYTHON
}

_install() {
    local extras=$1 stamp=.venv/.installed fingerprint="" python others=""
    # The stamp: the fingerprint, then a line for each set of extras installed under it.
    if [[ -f $stamp ]] && fingerprint=$(_fingerprint 2>/dev/null) &&
        [[ $(head -n 1 "$stamp") == "$fingerprint" ]]; then
        grep -qxF -- "$extras" "$stamp" && return
        others=$(tail -n +2 "$stamp")
    fi
    if ! .venv/bin/python -c "$_usable" </dev/null >/dev/null 2>&1 ||
        ! .venv/bin/python -m pip --version </dev/null >/dev/null 2>&1; then
        python=$(_find_python) || return
        echo "Making .venv with $python" >&2
        "$python" -m venv --clear .venv || return
    fi
    echo "Installing jaccli[$extras] into .venv (once)" >&2
    rm -f "$stamp"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        --constraint constraints.txt --editable ".[$extras]" </dev/null >&2 || return
    # pip compiles what it installs, but nothing that stays where it is: 150 ms of each call where
    # PYTHONDONTWRITEBYTECODE is set.
    .venv/bin/python -m compileall -q jaccli || return
    fingerprint=$(_fingerprint) || return
    printf '%s\n' "$fingerprint" ${others:+"$others"} "$extras" >"$stamp.new"
    mv -f "$stamp.new" "$stamp"
}

# set_up EXTRAS: run from the root of the repository.  Two scripts started together take turns.
set_up() {
    if command -v flock >/dev/null; then
        (flock 9 && _install "$1") 9<pyproject.toml
    else
        _install "$1"
    fi
}
