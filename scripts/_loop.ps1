# Dot-sourced by the scripts beside it: finds Python and calls scripts/bootstrap.py with it.

function Find-Python {
    # A program's first line on stderr must not end the search (Windows PowerShell 5.1 under 'Stop')
    $ErrorActionPreference = 'Continue'
    $probe = 'import sys; sys.exit(sys.version_info < (3, 11))'
    $root = Split-Path -Parent $PSScriptRoot
    $venv = @('.venv/Scripts/python.exe', '.venv/bin/python') | ForEach-Object { Join-Path $root $_ }
    foreach ($candidate in @($env:LLM_LOOP_PYTHON) + $venv + @('py -3', 'python3', 'python')) {
        if (-not $candidate) { continue }
        $isFile = Test-Path -LiteralPath $candidate -PathType Leaf
        $argv = @(if ($isFile) { $candidate } else { $candidate -split ' ' })
        $known = $isFile -or (Get-Command $argv[0] -CommandType Application -ErrorAction SilentlyContinue)
        if (-not $known) { continue }
        $rest = @($argv | Select-Object -Skip 1)
        $global:LASTEXITCODE = 1
        # The alias of the Microsoft Store can be called too, and fails here; so does an interpreter that lost its home
        try { & $argv[0] @rest -c $probe 2>$null | Out-Null } catch { continue }
        if ($LASTEXITCODE -eq 0) { return , $argv }
    }
    $message = 'No Python 3.11 or newer answers. Get it from https://www.python.org/downloads/ ' +
        '(the Microsoft Store alias named python is not one), or set LLM_LOOP_PYTHON to the path of its python.exe.'
    [Console]::Error.WriteLine($message)
    exit 1
}

function Invoke-Bootstrap {
    $python = Find-Python
    $rest = @($python | Select-Object -Skip 1) + @(Join-Path $PSScriptRoot 'bootstrap.py')
    # 5.1 puts quotes around an argument with a blank and lets a backslash at its end eat the closing one
    $rest += @($args | ForEach-Object { "$_" -replace '(?<=\s.*)\\$', '\\' })
    & $python[0] @rest
}
